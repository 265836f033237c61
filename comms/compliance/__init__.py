"""What must not be seen, and by whom? Labels, the detectors that give them, masking; all pure."""
