"""The composition root: settings, the `hub` command line, and the steps of the pipeline wired together.

Enters: the environment, once. Leaves: values and calls into the rooms below. It only wires: what data means, how it is judged or
stored is decided elsewhere. Must not know Airflow or HTTP frameworks.

    pulling       a dataset's run, and runs of other kinds
    repair        faulty data on its way back: quarantine, corrections, disputes
    registration  a source becomes a dataset
    sharing       data on its way out: requests, grants, records, exports, subscriptions
    filing        subject files and what is answered from them
    telling       what happened, told to whom it concerns
    console       the pages of people, wired
    commands      the command line, a module for each group of commands
"""
