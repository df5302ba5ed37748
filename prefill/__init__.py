"""A form's fields for a subject, each with its value, origin, state and seal.

Enters: form files, a subject file, the state of the sources, the hour. Leaves: an answer; verdicts on seals that come back.
Must not know: who asks (`access/`), HTTP, how files are built.
"""
