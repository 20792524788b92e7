"""Where the runs of a suite are computed: processes of this machine, or a Ray cluster."""
