"""The composition root: settings, the `hub` command line, and the steps of the pipeline wired together.

Enters: the environment, once. Leaves: values and calls into the rooms below. It only wires: what data means, how it is judged or
stored is decided elsewhere. Must not know Airflow or HTTP frameworks.
"""
