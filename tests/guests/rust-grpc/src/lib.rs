//! A gRPC stream through the Rust SDK 0.2.5, whose dispatcher decides what of the host's callbacks it knows.

use std::time::Duration;

use log::info;
use proxy_wasm::traits::{Context, RootContext};
use proxy_wasm::types::LogLevel;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Chat));
}}

struct Chat;

impl RootContext for Chat {
    fn on_vm_start(&mut self, _: usize) -> bool {
        self.set_tick_period(Duration::from_secs(1));
        true
    }

    fn on_tick(&mut self) {
        match self.open_grpc_stream("chat", "chat.Chat", "Talk", vec![("x-room", b"7")]) {
            Ok(token) => {
                self.send_grpc_stream_message(token, Some(b"hello"), false);
                info!("opened");
            }
            Err(status) => info!("refused: {status:?}"),
        }
    }
}

impl Context for Chat {
    fn on_grpc_stream_initial_metadata(&mut self, _: u32, count: u32) {
        let server = self.get_grpc_stream_initial_metadata_value("server").unwrap_or_default();
        info!("{count} initial, server {}", String::from_utf8_lossy(&server));
    }

    fn on_grpc_stream_message(&mut self, token: u32, size: usize) {
        let message = self.get_grpc_stream_message(0, size).unwrap_or_default();
        info!("message {}", String::from_utf8_lossy(&message));
        self.send_grpc_stream_message(token, Some(&message), true);
    }

    fn on_grpc_stream_trailing_metadata(&mut self, _: u32, count: u32) {
        info!("{count} trailing");
    }

    fn on_grpc_stream_close(&mut self, _: u32, status: u32) {
        let (code, message) = self.get_grpc_status();
        info!("closed {status} {code} {}", message.unwrap_or_default());
    }
}
