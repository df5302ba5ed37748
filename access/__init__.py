"""Who may see what, and what trace it leaves: clients, tokens, grants, consents, budgets, audit.

Enters: bearer tokens, what a client asks for and on what evidence, what was answered. Leaves: who calls, a decision
(`access.decision`), audit entries that are durable before an answer leaves. Serving passes through one value, `access.desk`.
Must not know: HTTP, forms' contents, values of any subject.
"""
