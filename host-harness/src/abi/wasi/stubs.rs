//! The functions of WASI preview 1 that only say that there is nothing: files, directories, sockets, signals.

use wasmtime::{Caller, FuncType, Linker, Val, ValType};

use super::super::guest::{VmData, wasi_call};
use crate::host::WasiError;

const DONE: Result<(), WasiError> = Ok(());
const NOT_OFFERED: Result<(), WasiError> = Err(WasiError::NotOffered);

/// A function's name, its parameters (`i`: 32 bits, `I`: 64 bits) and what it answers.
const STUBS: [(&str, &str, Result<(), WasiError>); 35] = [
    ("clock_res_get", "ii", NOT_OFFERED),
    ("fd_advise", "iIIi", NOT_OFFERED),
    ("fd_allocate", "iII", NOT_OFFERED),
    ("fd_close", "i", DONE),
    ("fd_datasync", "i", NOT_OFFERED),
    ("fd_fdstat_set_flags", "ii", NOT_OFFERED),
    ("fd_fdstat_set_rights", "iII", NOT_OFFERED),
    ("fd_filestat_get", "ii", NOT_OFFERED),
    ("fd_filestat_set_size", "iI", NOT_OFFERED),
    ("fd_filestat_set_times", "iIIi", NOT_OFFERED),
    ("fd_pread", "iiiIi", NOT_OFFERED),
    ("fd_prestat_dir_name", "iii", NOT_OFFERED),
    // What ends a libc's search for directories that are open already.
    ("fd_prestat_get", "ii", Err(WasiError::NoDirectory)),
    ("fd_pwrite", "iiiIi", NOT_OFFERED),
    ("fd_read", "iiii", NOT_OFFERED),
    ("fd_readdir", "iiiIi", NOT_OFFERED),
    ("fd_renumber", "ii", NOT_OFFERED),
    ("fd_seek", "iIii", DONE),
    ("fd_sync", "i", NOT_OFFERED),
    ("fd_tell", "ii", NOT_OFFERED),
    ("path_create_directory", "iii", NOT_OFFERED),
    ("path_filestat_get", "iiiii", NOT_OFFERED),
    ("path_filestat_set_times", "iiiiIIi", NOT_OFFERED),
    ("path_link", "iiiiiii", NOT_OFFERED),
    ("path_open", "iiiiiIIii", Err(WasiError::NoFiles)),
    ("path_readlink", "iiiiii", NOT_OFFERED),
    ("path_remove_directory", "iii", NOT_OFFERED),
    ("path_rename", "iiiiii", NOT_OFFERED),
    ("path_symlink", "iiiii", NOT_OFFERED),
    ("path_unlink_file", "iii", NOT_OFFERED),
    ("proc_raise", "i", NOT_OFFERED),
    ("sock_accept", "iii", NOT_OFFERED),
    ("sock_recv", "iiiiii", NOT_OFFERED),
    ("sock_send", "iiiii", NOT_OFFERED),
    ("sock_shutdown", "ii", NOT_OFFERED),
];

pub(super) fn link(linker: &mut Linker<VmData>, module: &str) -> wasmtime::Result<()> {
    for (name, parameters, answer) in STUBS {
        let types = parameters.chars().map(|letter| if letter == 'I' { ValType::I64 } else { ValType::I32 });
        let ty = FuncType::new(linker.engine(), types, [ValType::I32]);
        linker.func_new(module, name, ty, move |caller: Caller<'_, VmData>, _, results| {
            let answer = wasi_call(caller, name, |_, _| answer.map_err(Into::into));
            if let Some(result) = results.first_mut() {
                *result = Val::I32(answer.cast_signed());
            }
            Ok(())
        })?;
    }
    Ok(())
}
