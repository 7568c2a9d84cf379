"""The system calls that submitted code may make, and their numbers on the supported machines.

Numbers are from Linux's asm/unistd_64.h (x86_64) and asm-generic/unistd.h (aarch64).
A call that is on none of these lists does not exist for submitted code (ENOSYS).
"""


def _names(text: str) -> list[str]:
    return text.split()


# Calls that act on the caller's own memory, files, children and clock.
ALLOWED = _names("""
    read write open close stat fstat lstat poll lseek mmap mprotect munmap brk rt_sigaction
    rt_sigprocmask rt_sigreturn pread64 pwrite64 readv writev access pipe select sched_yield mremap
    msync dup dup2 pause nanosleep getitimer alarm setitimer getpid sendfile sendto recvfrom recvmsg
    shutdown getsockname getpeername setsockopt getsockopt fork vfork exit wait4 kill uname fsync
    fdatasync truncate ftruncate getdents getcwd chdir fchdir rename mkdir rmdir creat link unlink
    symlink readlink chmod fchmod umask gettimeofday getrlimit getrusage times getuid getgid geteuid
    getegid setpgid getppid getpgrp setsid getgroups getresuid getresgid getpgid getsid capget
    rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend sigaltstack utime getpriority
    sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min
    sched_rr_get_interval mlock munlock mlockall munlockall arch_prctl gettid sched_getaffinity
    set_tid_address restart_syscall timer_create timer_settime timer_gettime timer_getoverrun
    timer_delete clock_gettime clock_getres clock_nanosleep exit_group epoll_wait epoll_ctl tgkill tkill
    utimes waitid openat mkdirat futimesat newfstatat unlinkat renameat linkat symlinkat readlinkat
    fchmodat faccessat pselect6 ppoll set_robust_list utimensat epoll_pwait timerfd_create eventfd
    fallocate timerfd_settime timerfd_gettime signalfd4 eventfd2 epoll_create epoll_create1 dup3 pipe2
    preadv pwritev getcpu renameat2 getrandom membarrier mlock2 copy_file_range statx rseq faccessat2
    close_range fchmodat2 epoll_pwait2 get_mempolicy sched_getattr rt_tgsigqueueinfo getdents64 fchown
    chown lchown fchownat
""")

# Calls that are allowed or refused by their arguments (see runner/host/seccomp.py).
BY_ARGUMENT = _names("""
    clone ioctl prctl fcntl socketpair prlimit64 setrlimit personality flock futex madvise fadvise64
    statfs fstatfs sendmsg
""")

# Calls that only our own start-up needs; refused before submitted code begins.
START_ONLY = _names("""
    execve execveat landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp
""")

# Calls that are dangerous or a covert channel: refused with EPERM, so that libraries fall back.
DENIED = _names("""
    socket connect accept accept4 bind listen ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd
    pidfd_open pidfd_send_signal io_uring_setup io_uring_enter io_uring_register userfaultfd
    perf_event_open bpf keyctl add_key request_key mount umount2 pivot_root setns unshare
    open_by_handle_at name_to_handle_at quotactl quotactl_fd swapon swapoff reboot kexec_load
    kexec_file_load init_module finit_module delete_module iopl ioperm acct settimeofday clock_settime
    clock_adjtime adjtimex syslog modify_ldt vhangup move_pages migrate_pages mbind set_mempolicy
    memfd_secret memfd_create fanotify_init fanotify_mark inotify_init inotify_init1 inotify_add_watch
    inotify_rm_watch shmget shmat shmctl shmdt semget semop semctl semtimedop msgget msgsnd msgrcv
    msgctl mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr mknod mknodat setuid
    setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capset sethostname
    setdomainname chroot sync syncfs setpriority sched_setscheduler sched_setparam sched_setattr
    open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr lookup_dcookie setxattr lsetxattr
    fsetxattr removexattr lremovexattr fremovexattr ioprio_set sysinfo mincore sched_setaffinity
""")

_X86_64 = """
    read=0 write=1 open=2 close=3 stat=4 fstat=5 lstat=6 poll=7 lseek=8 mmap=9 mprotect=10 munmap=11
    brk=12 rt_sigaction=13 rt_sigprocmask=14 rt_sigreturn=15 pread64=17 pwrite64=18 readv=19 writev=20
    access=21 pipe=22 select=23 sched_yield=24 mremap=25 msync=26 madvise=28 dup=32 dup2=33 pause=34
    nanosleep=35 getitimer=36 alarm=37 setitimer=38 getpid=39 sendfile=40 sendto=44 recvfrom=45
    sendmsg=46 recvmsg=47 shutdown=48 getsockname=51 getpeername=52 setsockopt=54 getsockopt=55 fork=57
    vfork=58 exit=60 wait4=61 kill=62 uname=63 fsync=74 fdatasync=75 truncate=76 ftruncate=77
    getdents=78 getcwd=79 chdir=80 fchdir=81 rename=82 mkdir=83 rmdir=84 creat=85 link=86 unlink=87
    symlink=88 readlink=89 chmod=90 fchmod=91 umask=95 gettimeofday=96 getrlimit=97 getrusage=98
    times=100 getuid=102 getgid=104 geteuid=107 getegid=108 setpgid=109 getppid=110 getpgrp=111
    setsid=112 getgroups=115 getresuid=118 getresgid=120 getpgid=121 getsid=124 capget=125
    rt_sigpending=127 rt_sigtimedwait=128 rt_sigqueueinfo=129 rt_sigsuspend=130 sigaltstack=131
    utime=132 statfs=137 fstatfs=138 getpriority=140 sched_getparam=143 sched_getscheduler=145
    sched_get_priority_max=146 sched_get_priority_min=147 sched_rr_get_interval=148 mlock=149
    munlock=150 mlockall=151 munlockall=152 arch_prctl=158 gettid=186 futex=202 sched_setaffinity=203
    sched_getaffinity=204 set_tid_address=218 restart_syscall=219 fadvise64=221 timer_create=222
    timer_settime=223 timer_gettime=224 timer_getoverrun=225 timer_delete=226 clock_gettime=228
    clock_getres=229 clock_nanosleep=230 exit_group=231 epoll_wait=232 epoll_ctl=233 tgkill=234
    tkill=200 utimes=235 waitid=247 openat=257 mkdirat=258 futimesat=261 newfstatat=262 unlinkat=263
    renameat=264 linkat=265 symlinkat=266 readlinkat=267 fchmodat=268 faccessat=269 pselect6=270
    ppoll=271 set_robust_list=273 utimensat=280 epoll_pwait=281 timerfd_create=283 eventfd=284
    fallocate=285 timerfd_settime=286 timerfd_gettime=287 signalfd4=289 eventfd2=290 epoll_create=213
    epoll_create1=291 dup3=292 pipe2=293 preadv=295 pwritev=296 getcpu=309 renameat2=316 getrandom=318
    membarrier=324 mlock2=325 copy_file_range=326 statx=332 rseq=334
    faccessat2=439 close_range=436 fchmodat2=452 epoll_pwait2=441
    get_mempolicy=239 sched_getattr=315 rt_tgsigqueueinfo=297 getdents64=217 fchown=93 chown=92
    lchown=94 fchownat=260 clone=56 ioctl=16 prctl=157 fcntl=72 socketpair=53 prlimit64=302
    setrlimit=160 personality=135 flock=73 execve=59 execveat=322 landlock_create_ruleset=444
    landlock_add_rule=445 landlock_restrict_self=446 seccomp=317 socket=41 connect=42 accept=43
    accept4=288 bind=49 listen=50 ptrace=101 process_vm_readv=310 process_vm_writev=311 kcmp=312
    pidfd_getfd=438 pidfd_open=434 pidfd_send_signal=424 io_uring_setup=425 io_uring_enter=426
    io_uring_register=427 userfaultfd=323 perf_event_open=298 bpf=321 keyctl=250 add_key=248
    request_key=249 mount=165 umount2=166 pivot_root=155 setns=308 unshare=272 open_by_handle_at=304
    name_to_handle_at=303 quotactl=179 quotactl_fd=443 swapon=167 swapoff=168 reboot=169 kexec_load=246
    kexec_file_load=320 init_module=175 finit_module=313 delete_module=176 iopl=172 ioperm=173 acct=163
    settimeofday=164 clock_settime=227 clock_adjtime=305 adjtimex=159 syslog=103 modify_ldt=154
    vhangup=153 move_pages=279 migrate_pages=256 mbind=237 set_mempolicy=238 memfd_secret=447
    memfd_create=319 fanotify_init=300 fanotify_mark=301 inotify_init=253 inotify_init1=294
    inotify_add_watch=254 inotify_rm_watch=255 shmget=29 shmat=30 shmctl=31 shmdt=67 semget=64 semop=65
    semctl=66 semtimedop=220 msgget=68 msgsnd=69 msgrcv=70 msgctl=71 mq_open=240 mq_unlink=241
    mq_timedsend=242 mq_timedreceive=243 mq_notify=244 mq_getsetattr=245 mknod=133 mknodat=259
    setuid=105 setgid=106 setreuid=113 setregid=114 setresuid=117 setresgid=119 setgroups=116
    setfsuid=122 setfsgid=123 capset=126 sethostname=170 setdomainname=171 chroot=161 sync=162
    syncfs=306 setpriority=141 sched_setscheduler=144 sched_setparam=142 sched_setattr=314 open_tree=428
    move_mount=429 fsopen=430 fsconfig=431 fsmount=432 fspick=433 mount_setattr=442 lookup_dcookie=212
    setxattr=188 lsetxattr=189 fsetxattr=190 removexattr=197 lremovexattr=198 fremovexattr=199
    ioprio_set=251 sysinfo=99 mincore=27
"""

_AARCH64 = """
    read=63 write=64 close=57 fstat=80 lseek=62 mmap=222 mprotect=226 munmap=215 brk=214
    rt_sigaction=134 rt_sigprocmask=135 rt_sigreturn=139 pread64=67 pwrite64=68 readv=65 writev=66
    sched_yield=124 mremap=216 msync=227 madvise=233 dup=23 nanosleep=101 getitimer=102 setitimer=103
    getpid=172 sendfile=71 sendto=206 recvfrom=207 sendmsg=211 recvmsg=212 shutdown=210 getsockname=204
    getpeername=205 setsockopt=208 getsockopt=209 exit=93 wait4=260 kill=129 uname=160 fsync=82
    fdatasync=83 truncate=45 ftruncate=46 getcwd=17 chdir=49 fchdir=50 fchmod=52 umask=166
    gettimeofday=169 getrlimit=163 getrusage=165 times=153 getuid=174 getgid=176 geteuid=175 getegid=177
    setpgid=154 getppid=173 setsid=157 getgroups=158 getresuid=148 getresgid=150 getpgid=155 getsid=156
    capget=90 rt_sigpending=136 rt_sigtimedwait=137 rt_sigqueueinfo=138 rt_sigsuspend=133
    sigaltstack=132 statfs=43 fstatfs=44 getpriority=141 sched_getparam=121 sched_getscheduler=120
    sched_get_priority_max=125 sched_get_priority_min=126 sched_rr_get_interval=127 mlock=228
    munlock=229 mlockall=230 munlockall=231 gettid=178 futex=98 sched_setaffinity=122
    sched_getaffinity=123 set_tid_address=96 restart_syscall=128 fadvise64=223 timer_create=107
    timer_settime=110 timer_gettime=108 timer_getoverrun=109 timer_delete=111 clock_gettime=113
    clock_getres=114 clock_nanosleep=115 exit_group=94 epoll_ctl=21 tgkill=131 tkill=130 waitid=95
    openat=56 mkdirat=34 newfstatat=79 unlinkat=35 renameat=38 linkat=37 symlinkat=36 readlinkat=78
    fchmodat=53 faccessat=48 pselect6=72 ppoll=73 set_robust_list=99 utimensat=88 epoll_pwait=22
    timerfd_create=85 fallocate=47 timerfd_settime=86 timerfd_gettime=87 signalfd4=74 eventfd2=19
    epoll_create1=20 dup3=24 pipe2=59 preadv=69 pwritev=70 getcpu=168 renameat2=276 getrandom=278
    membarrier=283 mlock2=284 copy_file_range=285 statx=291 rseq=293
    faccessat2=439 close_range=436 fchmodat2=452 epoll_pwait2=441
    get_mempolicy=236 sched_getattr=275 rt_tgsigqueueinfo=240 getdents64=61 fchown=55 fchownat=54
    clone=220 ioctl=29 prctl=167 fcntl=25 socketpair=199 prlimit64=261 setrlimit=164 personality=92
    flock=32 execve=221 execveat=281 landlock_create_ruleset=444 landlock_add_rule=445
    landlock_restrict_self=446 seccomp=277 socket=198 connect=203 accept=202 accept4=242 bind=200
    listen=201 ptrace=117 process_vm_readv=270 process_vm_writev=271 kcmp=272 pidfd_getfd=438
    pidfd_open=434 pidfd_send_signal=424 io_uring_setup=425 io_uring_enter=426 io_uring_register=427
    userfaultfd=282 perf_event_open=241 bpf=280 keyctl=219 add_key=217 request_key=218 mount=40
    umount2=39 pivot_root=41 setns=268 unshare=97 open_by_handle_at=265 name_to_handle_at=264
    quotactl=60 quotactl_fd=443 swapon=224 swapoff=225 reboot=142 kexec_load=104 kexec_file_load=294
    init_module=105 finit_module=273 delete_module=106 acct=89 settimeofday=170 clock_settime=112
    clock_adjtime=266 adjtimex=171 syslog=116 vhangup=58 move_pages=239 migrate_pages=238 mbind=235
    set_mempolicy=237 memfd_secret=447 memfd_create=279 fanotify_init=262 fanotify_mark=263
    inotify_init1=26 inotify_add_watch=27 inotify_rm_watch=28 shmget=194 shmat=196 shmctl=195 shmdt=197
    semget=190 semop=193 semctl=191 semtimedop=192 msgget=186 msgsnd=189 msgrcv=188 msgctl=187
    mq_open=180 mq_unlink=181 mq_timedsend=182 mq_timedreceive=183 mq_notify=184 mq_getsetattr=185
    mknodat=33 setuid=146 setgid=144 setreuid=145 setregid=143 setresuid=147 setresgid=149 setgroups=159
    setfsuid=151 setfsgid=152 capset=91 sethostname=161 setdomainname=162 chroot=51 sync=81 syncfs=267
    setpriority=140 sched_setscheduler=119 sched_setparam=118 sched_setattr=274 open_tree=428
    move_mount=429 fsopen=430 fsconfig=431 fsmount=432 fspick=433 mount_setattr=442 lookup_dcookie=18
    setxattr=5 lsetxattr=6 fsetxattr=7 removexattr=14 lremovexattr=15 fremovexattr=16 ioprio_set=30
    sysinfo=179 mincore=232
"""


def _table(text: str) -> dict[str, int]:
    return {name: int(number) for name, number in (item.split("=") for item in text.split())}


# Machine name -> (AUDIT_ARCH of <linux/audit.h>, numbers).
MACHINES: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (0xC000003E, _table(_X86_64)),
    "aarch64": (0xC00000B7, _table(_AARCH64)),
}
