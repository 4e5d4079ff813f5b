"""Side-by-side measurements of esc_features and of what a user would pick instead."""
