"""Side-by-side measurements of esc_features and of the alternatives that a user has."""
