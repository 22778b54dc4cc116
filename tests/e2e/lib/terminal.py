# SPDX-License-Identifier: Apache-2.0
# Runs a command on a terminal of its own: terminal.py WORD... What the command writes goes to stdout, what comes on stdin is
# typed. Ends with the command's exit code.
import os, pty, select, struct, sys, fcntl, termios

pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
reading = [fd, 0]
while fd in reading:
    for ready in select.select(reading, [], [])[0]:
        try:
            data = os.read(ready, 65536)
        except OSError:
            data = b""
        if not data:
            reading.remove(ready)
        elif ready == fd:
            os.write(1, data)
        else:
            os.write(fd, data)
_, status = os.waitpid(pid, 0)
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
