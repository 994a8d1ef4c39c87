package http

import "strings"

// types are media types by extension: those that a web page is made of, and what people
// put on a server beside it. Text is UTF-8.
var types = map[string]string{
	"html": "text/html; charset=utf-8", "htm": "text/html; charset=utf-8", "xhtml": "application/xhtml+xml",
	"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "mjs": "text/javascript; charset=utf-8",
	"json": "application/json", "map": "application/json", "jsonld": "application/ld+json",
	"webmanifest": "application/manifest+json", "xml": "text/xml; charset=utf-8", "rss": "application/rss+xml",
	"atom": "application/atom+xml", "wasm": "application/wasm",
	"txt": "text/plain; charset=utf-8", "text": "text/plain; charset=utf-8", "log": "text/plain; charset=utf-8",
	"conf": "text/plain; charset=utf-8", "md": "text/markdown; charset=utf-8", "csv": "text/csv; charset=utf-8",
	"yaml": "application/yaml", "yml": "application/yaml", "ics": "text/calendar; charset=utf-8",
	"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp",
	"avif": "image/avif", "svg": "image/svg+xml", "svgz": "image/svg+xml", "ico": "image/vnd.microsoft.icon",
	"bmp": "image/bmp", "tif": "image/tiff", "tiff": "image/tiff",
	"woff": "font/woff", "woff2": "font/woff2", "ttf": "font/ttf", "otf": "font/otf",
	"eot": "application/vnd.ms-fontobject",
	"mp3": "audio/mpeg", "m4a": "audio/mp4", "oga": "audio/ogg", "ogg": "audio/ogg", "opus": "audio/ogg",
	"wav": "audio/wav", "flac": "audio/flac", "weba": "audio/webm",
	"mp4": "video/mp4", "m4v": "video/mp4", "webm": "video/webm", "ogv": "video/ogg", "mpeg": "video/mpeg",
	"mpg": "video/mpeg", "avi": "video/x-msvideo", "mov": "video/quicktime", "ts": "video/mp2t",
	"m3u8": "application/vnd.apple.mpegurl", "mpd": "application/dash+xml",
	"pdf": "application/pdf", "rtf": "application/rtf", "epub": "application/epub+zip",
	"zip": "application/zip", "gz": "application/gzip", "tgz": "application/gzip", "bz2": "application/x-bzip2",
	"xz": "application/x-xz", "zst": "application/zstd", "tar": "application/x-tar", "7z": "application/x-7z-compressed",
	"jar": "application/java-archive", "doc": "application/msword", "xls": "application/vnd.ms-excel",
	"ppt":  "application/vnd.ms-powerpoint",
	"docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	"xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	"pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
	"odt":  "application/vnd.oasis.opendocument.text", "ods": "application/vnd.oasis.opendocument.spreadsheet",
	"sh": "text/x-shellscript; charset=utf-8", "c": "text/plain; charset=utf-8", "h": "text/plain; charset=utf-8",
	"go": "text/plain; charset=utf-8", "py": "text/plain; charset=utf-8", "patch": "text/plain; charset=utf-8",
	"pcap": "application/vnd.tcpdump.pcap", "bin": "application/octet-stream",
}

const unknownType = "application/octet-stream"

// TypeByName is the media type of a file, by the extension of its name.
func TypeByName(name string) string {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 || strings.IndexByte(name[dot:], '/') >= 0 {
		return unknownType
	}
	if t, ok := types[name[dot+1:]]; ok {
		return t
	}
	if t, ok := types[strings.ToLower(name[dot+1:])]; ok {
		return t
	}
	return unknownType
}
