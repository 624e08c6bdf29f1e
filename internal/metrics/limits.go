package metrics

// LimitNames are the limits that are counted when they are reached, by the names
// that docs/limits.md gives them. Those of connections that are no sockets are
// counted by parley_http_connections_refused_total and
// parley_ice_connections_refused_total.
var LimitNames = []string{
	"answered_at_once", "api_keys", "api_rate", "ask_rate", "backlog", "body_size", "broadcast_peers", "broadcast_rate",
	"broadcast_type", "client_id_length", "concurrent_uploads", "connections", "control_frames", "field_length",
	"field_range", "file_rate", "file_size", "files_per_message", "frame_id", "frame_size", "idle", "image_rate",
	"join_rate", "json_depth", "keepalive", "kicked_at_once", "knock_rate", "link_expired", "link_length",
	"meeting_broadcast_rate", "meeting_rate", "meeting_store_write_rate", "message_bytes_rate", "message_rate", "overrules", "payload_size",
	"pending_answers", "pending_commands", "presets_asked", "recipients", "request_rate", "search_length",
	"search_rate", "slow_message", "slow_mode", "slow_upload", "slow_write", "store_bytes", "store_keys",
	"store_name_length", "store_pairs", "store_write_rate", "text_length", "unused_uploads", "upload_rate",
	"value_size", "waiting_room", "webhooks", "write_queue",
}
