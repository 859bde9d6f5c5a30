"""What every test may use."""

import signal

pytest_plugins = ["pytester"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # as under nohup, and inherited: what tests start and interrupt would not even notice
    signal.signal(signal.SIGINT, signal.default_int_handler)
