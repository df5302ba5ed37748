"""The `hub` command line, a module per noun. A command parses, makes one call, and shows the result through `hub.output`."""
