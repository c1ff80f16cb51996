"""File systems that offer DAX. May import: the rest of kernel, sim."""
