"""Pictures: drawn with matplotlib and Pillow."""
