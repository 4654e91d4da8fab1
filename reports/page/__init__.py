"""The page to watch: `report.html`, with its data and videos beside it, that opens from disk and from any server."""
