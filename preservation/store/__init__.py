"""Write-once storage of bitstreams and WARC packs."""
