"""What people read: each module makes rows and lines of one noun's values."""
