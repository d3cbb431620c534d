//! Many tasks at once on a few queues: what the recorded history may not show.


