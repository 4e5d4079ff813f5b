"""The commands of the program `esc_features`, one file per command.

A command is a module with `add_arguments(parser)` and `run(options) -> int`, the exit status. It is imported when it is
called, so `--help` and other commands do not import what it needs; imports of torch, pandas and the like stay inside
`run`. `_cli.COMMANDS` lists the commands. `INTERRUPTED`, if a command has it, is printed after Ctrl-C.
"""
