//! The functions of WASI preview 1 that only say that there is nothing: files, directories, sockets, signals.

use wasmtime::{Caller, FuncType, Linker, Val, ValType};

use super::super::guest::{VmData, wasi_call};
use super::SUCCESS;

const EBADF: u32 = 8;
const ENOENT: u32 = 44;
const ENOSYS: u32 = 52;

/// A function's name, its parameters (`i`: 32 bits, `I`: 64 bits) and the error number that it gives.
const STUBS: [(&str, &str, u32); 35] = [
    ("clock_res_get", "ii", ENOSYS),
    ("fd_advise", "iIIi", ENOSYS),
    ("fd_allocate", "iII", ENOSYS),
    ("fd_close", "i", SUCCESS),
    ("fd_datasync", "i", ENOSYS),
    ("fd_fdstat_set_flags", "ii", ENOSYS),
    ("fd_fdstat_set_rights", "iII", ENOSYS),
    ("fd_filestat_get", "ii", ENOSYS),
    ("fd_filestat_set_size", "iI", ENOSYS),
    ("fd_filestat_set_times", "iIIi", ENOSYS),
    ("fd_pread", "iiiIi", ENOSYS),
    ("fd_prestat_dir_name", "iii", ENOSYS),
    // What ends a libc's search for directories that are open already.
    ("fd_prestat_get", "ii", EBADF),
    ("fd_pwrite", "iiiIi", ENOSYS),
    ("fd_read", "iiii", ENOSYS),
    ("fd_readdir", "iiiIi", ENOSYS),
    ("fd_renumber", "ii", ENOSYS),
    ("fd_seek", "iIii", SUCCESS),
    ("fd_sync", "i", ENOSYS),
    ("fd_tell", "ii", ENOSYS),
    ("path_create_directory", "iii", ENOSYS),
    ("path_filestat_get", "iiiii", ENOSYS),
    ("path_filestat_set_times", "iiiiIIi", ENOSYS),
    ("path_link", "iiiiiii", ENOSYS),
    ("path_open", "iiiiiIIii", ENOENT),
    ("path_readlink", "iiiiii", ENOSYS),
    ("path_remove_directory", "iii", ENOSYS),
    ("path_rename", "iiiiii", ENOSYS),
    ("path_symlink", "iiiii", ENOSYS),
    ("path_unlink_file", "iii", ENOSYS),
    ("proc_raise", "i", ENOSYS),
    ("sock_accept", "iii", ENOSYS),
    ("sock_recv", "iiiiii", ENOSYS),
    ("sock_send", "iiiii", ENOSYS),
    ("sock_shutdown", "ii", ENOSYS),
];

pub(super) fn link(linker: &mut Linker<VmData>, module: &str) -> wasmtime::Result<()> {
    for (name, parameters, answer) in STUBS {
        let types = parameters.chars().map(|letter| if letter == 'I' { ValType::I64 } else { ValType::I32 });
        let ty = FuncType::new(linker.engine(), types, [ValType::I32]);
        linker.func_new(module, name, ty, move |caller: Caller<'_, VmData>, _, results| {
            let answer = wasi_call(caller, name, |_, _| Ok(answer));
            if let Some(result) = results.first_mut() {
                *result = Val::I32(answer.cast_signed());
            }
            Ok(())
        })?;
    }
    Ok(())
}
