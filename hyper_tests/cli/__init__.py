"""The command line as its user meets it.

sweeps          the space, the runners and the one finished sweep that these tests share
conftest        `call`: a command within this process, in a folder of its own
test_help       every option of every command, grouped and short; completion
test_run        what the options of `run` do, the closing block byte for byte, exit codes
test_resume     run --resume, --restart and resume: what goes on, what is refused, what is warned of
test_adopt      run --from-result
test_reading    best, trials, status, logs: their text, their JSON, the forms of PATH
test_plan       plan
test_mistakes   bad input of every kind, each with its one message
test_mutations  damaged files through plan, run and best
test_terminal   the live view, narrow and plain terminals, Ctrl-C, a closed pipe
test_readme     what the README promises
test_examples   the example folders
"""
