"""The console: pages for people who are signed in, in Chinese and English, whole without scripts.

1. `door`: who is signed in and in which role, and the proof that a form came from our own page. Every route passes it.
2. `signin`: in, out, and one's own account. 3. The pages of each role.
"""
