"""What data means: contracts, data elements, code lists, identifiers, and the error tree.

Enters: contract files, standards' data files. Leaves: values (`Contract`, `Column`, `Rule`), SQL expression text.
Must not know: databases, lakes, runs, HTTP.
"""
