"""Error numbers (include/uapi/asm-generic), which are not those of the host that runs the model."""

ENOENT = 2
EINTR = 4
EIO = 5
ENXIO = 6
EBADF = 9
EAGAIN = 11
EWOULDBLOCK = 11
ENOMEM = 12
EFAULT = 14
EBUSY = 16
EEXIST = 17
ENODEV = 19
EINVAL = 22
EFBIG = 27
ENOSPC = 28
EMLINK = 31
EBADE = 52
EOPNOTSUPP = 95
ENOTCONN = 107
EFSCORRUPTED = 117
"""EUCLEAN, as xfs calls it."""
