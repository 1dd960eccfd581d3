"""Who acts."""

import os
import pwd


def unix_user() -> str:
    """The name of the Unix user of this process, or its number where it has no name.

    Asked of the kernel: `getpass.getuser` believes the environment, in which anybody can write any name.
    """
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
