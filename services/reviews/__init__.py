"""Reviews: templates, cycles, stages, participants, raters, tasks, submissions, sign-offs, appeals, interviews."""
