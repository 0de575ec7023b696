"""What the hooks did, for those who watch: metrics, spans, a log."""
