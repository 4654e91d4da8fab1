"""What harness and scorer say to each other: one JSON object a line, over the scorer's standard input and output.

    harness: {"protocol": 1, "dimensions": [...], "device": "cuda"}           once, first
    scorer:  {"protocol": 1, "versions": {...}, "unavailable": {dimension: reason}}  when its models are loaded, else
             {"error": "..."}                                                 and it ends
    harness: {"path": ..., "prompt": ..., "wanted": {dimension: auxiliary information, or null}}
    scorer:  {"video_sha256": ..., "scores": {dimension: score}}              for each video, else
             {"error": "..."}                                                 of a file that cannot be read or decoded

A score is {"value": x, "frame_values": [...]}, {"undetected": reason} or {"error": reason}. Both sides import this
module, which therefore needs nothing but Python.
"""

PROTOCOL = 1
