#!/bin/sh
# Run a command in a folder that has a Debian in it, as on a machine of its own: enter.sh ROOT MODE
# COMMAND [ARGUMENT...]. MODE is that of /dev/fuse, 600 as the kernel makes it or 666 as udev does.
#
# The folder becomes the root of a mount namespace and a mount point, so that mounts can be made and
# propagated in it. All processes are in a namespace of their own, and end with the first one.
# The network is that of this machine, since packages are downloaded.
set -eu
exec unshare --mount --propagation private --pid --fork --kill-child=KILL sh -euc '
    root=$1 mode=$2
    shift 2
    mount --bind "$root" "$root"
    cd "$root"
    mount -t proc proc proc
    mount -t sysfs -o ro sysfs sys
    mount -t tmpfs -o mode=755,nosuid tmpfs dev
    mknod -m 666 dev/null c 1 3
    mknod -m 666 dev/zero c 1 5
    mknod -m 666 dev/full c 1 7
    mknod -m 666 dev/random c 1 8
    mknod -m 666 dev/urandom c 1 9
    mknod -m 666 dev/tty c 5 0
    mknod -m "$mode" dev/fuse c 10 229
    mkdir dev/pts dev/shm
    mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts dev/pts
    mount -t tmpfs -o mode=1777 tmpfs dev/shm
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    ln -s fd/0 dev/stdin
    ln -s fd/1 dev/stdout
    ln -s fd/2 dev/stderr
    mkdir .outside
    pivot_root . .outside
    umount -l /.outside
    rmdir /.outside
    # bash stays the first process, and so takes note of those that have lost their parent.
    exec bash -c "\"\$@\"; exit \$?" first "$@"
' sh "$@"
