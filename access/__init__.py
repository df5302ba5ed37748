"""Who may see what, and what trace it leaves: clients, tokens, grants, audit.

Enters: client ids and secrets, bearer tokens, the wish to use a form for a purpose, what was answered. Leaves:
tokens, yes or no (`schemas.errors.Unauthenticated`, `Forbidden`), audit entries durable before an answer leaves.
Must not know: HTTP, forms' contents, values of any subject.
"""
