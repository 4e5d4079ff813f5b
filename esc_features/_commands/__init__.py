"""The commands of the program `esc_features`, one file per command.

A command is a module with `add_arguments(parser)` and `run(options) -> int`, the exit status. Its imports of torch,
pandas and the like are inside `run`, so that `--help` does not import them. `_cli.COMMANDS` lists the commands.
`INTERRUPTED`, if a command has it, is printed after Ctrl-C.
"""
