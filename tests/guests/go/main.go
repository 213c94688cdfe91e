// A filter that Go's own compiler makes into WebAssembly: it reads its configuration and a header, writes
// one, replaces a body and calls a cluster. Go's runtime needs more of WASI than other guests do.
package main

import (
	"fmt"
	"unsafe"
)

const (
	info           = 2
	pause          = 1
	requestHeaders = 0
	responseBody   = 1
	pluginConfig   = 7
	callHeaders    = 6
	request        = 0
)

//go:wasmimport env proxy_log
func proxyLog(level uint32, text unsafe.Pointer, length uint32) uint32

//go:wasmimport env proxy_get_buffer_bytes
func proxyGetBufferBytes(kind, start, max uint32, data, length unsafe.Pointer) uint32

//go:wasmimport env proxy_set_buffer_bytes
func proxySetBufferBytes(kind, start, length uint32, data unsafe.Pointer, size uint32) uint32

//go:wasmimport env proxy_get_header_map_value
func proxyGetHeaderMapValue(kind uint32, key unsafe.Pointer, n uint32, data, length unsafe.Pointer) uint32

//go:wasmimport env proxy_add_header_map_value
func proxyAddHeaderMapValue(kind uint32, key unsafe.Pointer, n uint32, value unsafe.Pointer, m uint32) uint32

//go:wasmimport env proxy_http_call
func proxyHTTPCall(upstream unsafe.Pointer, n uint32, headers unsafe.Pointer, headersLength uint32,
	body unsafe.Pointer, bodyLength uint32, trailers unsafe.Pointer, trailersLength uint32,
	timeout uint32, token unsafe.Pointer) uint32

//go:wasmimport env proxy_set_effective_context
func proxySetEffectiveContext(id uint32) uint32

//go:wasmimport env proxy_continue_stream
func proxyContinueStream(kind uint32) uint32

// What the host was given and has not been taken over yet.
var given = map[uint32][]byte{}

// Contexts that wait for a call's answer, by its token.
var waiting = map[uint32]uint32{}

var greeting string

func main() {}

func pointer(bytes []byte) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.SliceData(bytes)), uint32(len(bytes))
}

func taken(at, length uint32) string {
	bytes := given[at]
	delete(given, at)
	return string(bytes[:length])
}

func logf(format string, values ...any) {
	p, n := pointer(fmt.Appendf(nil, format, values...))
	proxyLog(info, p, n)
}

func buffer(kind uint32) string {
	var at, length uint32
	if proxyGetBufferBytes(kind, 0, 1<<20, unsafe.Pointer(&at), unsafe.Pointer(&length)) != 0 || length == 0 {
		return ""
	}
	return taken(at, length)
}

func header(kind uint32, name string) (string, bool) {
	var at, length uint32
	p, n := pointer([]byte(name))
	if proxyGetHeaderMapValue(kind, p, n, unsafe.Pointer(&at), unsafe.Pointer(&length)) != 0 {
		return "", false
	}
	return taken(at, length), true
}

func addHeader(kind uint32, name, value string) {
	p, n := pointer([]byte(name))
	q, m := pointer([]byte(value))
	if status := proxyAddHeaderMapValue(kind, p, n, q, m); status != 0 {
		logf("cannot add %s: %d", name, status)
	}
}

//go:wasmexport proxy_abi_version_0_2_1
func proxyABIVersion() {}

//go:wasmexport proxy_on_memory_allocate
func allocate(size uint32) unsafe.Pointer {
	bytes := make([]byte, size)
	p, _ := pointer(bytes)
	given[uint32(uintptr(p))] = bytes
	return p
}

//go:wasmexport proxy_on_context_create
func onContextCreate(id, parent uint32) {}

//go:wasmexport proxy_on_configure
func onConfigure(id, size uint32) uint32 {
	greeting = buffer(pluginConfig)
	logf("configured with %q", greeting)
	return 1
}

//go:wasmexport proxy_on_request_headers
func onRequestHeaders(id, count, end uint32) uint32 {
	path, _ := header(requestHeaders, ":path")
	_, found := header(requestHeaders, "nope")
	logf("%s with %d headers, nope: %t", path, count, found)
	addHeader(requestHeaders, "x-go", greeting)
	headers := pairs(":method", "GET", ":path", "/auth", ":authority", "auth")
	name, n := pointer([]byte("auth"))
	p, size := pointer(headers)
	var token uint32
	if status := proxyHTTPCall(name, n, p, size, nil, 0, nil, 0, 1000, unsafe.Pointer(&token)); status != 0 {
		logf("cannot call: %d", status)
		return 0
	}
	waiting[token] = id
	return pause
}

//go:wasmexport proxy_on_http_call_response
func onHTTPCallResponse(root, token, headers, body, trailers uint32) {
	status, _ := header(callHeaders, ":status")
	proxySetEffectiveContext(waiting[token])
	delete(waiting, token)
	addHeader(requestHeaders, "x-auth", status)
	proxyContinueStream(request)
}

//go:wasmexport proxy_on_response_body
func onResponseBody(id, size, end uint32) uint32 {
	if end == 0 {
		return pause
	}
	text := fmt.Sprintf("%s, %d bytes", greeting, len(buffer(responseBody)))
	p, n := pointer([]byte(text))
	proxySetBufferBytes(responseBody, 0, size, p, n)
	return 0
}

// Bytes of the ABI's maps: count, lengths, then each string and a NUL.
func pairs(texts ...string) []byte {
	little := func(out []byte, n int) []byte { return append(out, byte(n), byte(n>>8), byte(n>>16), byte(n>>24)) }
	out := little(nil, len(texts)/2)
	for _, text := range texts {
		out = little(out, len(text))
	}
	for _, text := range texts {
		out = append(append(out, text...), 0)
	}
	return out
}
