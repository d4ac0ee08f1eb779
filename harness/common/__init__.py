"""What every part of the host's side uses: reading documents, image references, locks, progress, redaction, crashes."""
