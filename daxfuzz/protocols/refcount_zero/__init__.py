"""The protocol of v6.15 and later, by the changes that made it; read at v6.19."""
