"""What the media programs may open: they are fed material from strangers."""

from __future__ import annotations

DEMUXERS = (
    "3gp,aac,ac3,aiff,amr,amrnb,amrwb,apng,asf,au,avi,caf,dv,eac3,flac,flv,gif,h264,hevc,ivf,m4v,"
    "matroska,mov,mp3,mp4,mpeg,mpegts,mpegvideo,mxf,ogg,rm,w64,wav,webm"
)
"""Containers that ffmpeg and ffprobe may open (``-format_whitelist``).

Playlists (hls, dash, concat, sdp) are left out: they make the program open other files.
"""

PROTOCOLS = "file"
"""What ffmpeg and ffprobe may read from (``-protocol_whitelist``): nothing is ever fetched."""
