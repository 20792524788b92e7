"""Speed of benchbed compared with plain references."""
