"""Everything that proves the system; a package, so that files of the same name in different folders do not meet."""
