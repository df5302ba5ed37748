"""HTTP, thin: the API for portals, the catalog's pages, the demonstration portal.

Enters: requests. Leaves: JSON, problem documents (RFC 9457), pages in Chinese and English; no personal data in
addresses or logs.
Must not know: how anything is decided; it calls what `Services` holds, which `hub` put together.
"""
