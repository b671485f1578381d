/*
 * A disk that can be watched and made to fail, under an unchanged program: loaded with LD_PRELOAD, it stands before the
 * C library's file calls for everything below one folder (LEAD_DISK_ROOT).
 *
 *   record   every operation that changes a file or a folder is appended to LEAD_DISK_LOG, with its bytes
 *   fail     the n-th call of chosen classes fails with an errno, writes only half, or kills the process before, after
 *            or in the middle of it; once, or from then on
 *   fill     the disk has so many bytes left; what is deleted gives its bytes back
 *
 * Commands come through LEAD_DISK_CONTROL, a shared file of 256 bytes (control.py has the same layout). The calls
 * themselves are made as raw system calls, so nothing here calls itself. Linux only.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#undef open
#undef openat
#undef creat
#undef pread
#undef pwrite
#undef ftruncate
#undef posix_fallocate
#undef sendfile
#undef fcntl

enum { OPEN = 1, WRITE = 2, RESIZE = 4, SYNC = 8, RENAME = 16, REMOVE = 32, FOLDER = 64, LOCK = 128, READ = 256, CLASSES = 9 };
enum { FAIL = 1, SHORT = 2, DIE_BEFORE = 3, DIE_AFTER = 4, DIE_HALF = 5 };
enum { L_OPEN = 1, L_CLOSE, L_WRITE, L_RESIZE, L_SYNC, L_RENAME, L_UNLINK, L_MKDIR, L_RMDIR, L_MARK };

struct control {
    uint32_t record, pid, action, error, sticky, mask, hits, unused;
    uint64_t at, calls;
    int64_t room;
    uint64_t seen[CLASSES];
};

struct entry { uint32_t kind; int32_t fd; int64_t offset; uint32_t size, path, other, flags; };

enum { MOST = 4096 };
static struct control nothing = {.room = -1};
static struct control *control = &nothing;
static const char *root;
static size_t root_size;
static int log_fd = -1;
static char *paths[MOST];
static atomic_flag busy = ATOMIC_FLAG_INIT;

__attribute__((constructor)) static void begin(void) {
    const char *shared = getenv("LEAD_DISK_CONTROL"), *log = getenv("LEAD_DISK_LOG");
    root = getenv("LEAD_DISK_ROOT");
    root_size = root ? strlen(root) : 0;
    if (shared) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, shared, O_RDWR | O_CLOEXEC, 0);
        void *page = fd < 0 ? MAP_FAILED : mmap(NULL, 256, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (page == MAP_FAILED) _exit(97);
        control = page;
        syscall(SYS_close, fd);
    }
    if (log) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        log_fd = fd < 0 ? -1 : (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 900);
        if (log_fd < 0) _exit(98);
        syscall(SYS_close, fd);
    }
}

static int ours(const char *path) {
    return root && path && !strncmp(path, root, root_size) && (path[root_size] == '/' || !path[root_size]);
}

static const char *path_of(int fd) { return fd >= 0 && fd < MOST ? paths[fd] : NULL; }

/* The path of a name relative to an open folder, in `room`, or the name itself. */
static const char *full(int folder, const char *name, char *room, size_t size) {
    const char *where = path_of(folder);
    if (!name || name[0] == '/' || folder == AT_FDCWD || !where) return name;
    snprintf(room, size, "%s/%s", where, name);
    return room;
}

static void put(const void *bytes, size_t size) {
    const char *at = bytes;
    while (size) {
        ssize_t n = syscall(SYS_write, log_fd, at, size);
        if (n <= 0) _exit(99);
        at += n, size -= (size_t)n;
    }
}

static void note(uint32_t kind, int fd, int64_t offset, const char *path, const char *other, const void *data, size_t size, uint32_t flags) {
    if (log_fd < 0 || !control->record) return;
    int before = errno;
    struct entry e = {kind, fd, offset, (uint32_t)size, path ? (uint32_t)strlen(path) : 0, other ? (uint32_t)strlen(other) : 0, flags};
    while (atomic_flag_test_and_set(&busy)) {}
    put(&e, sizeof e);
    if (path) put(path, e.path);
    if (other) put(other, e.other);
    if (size) put(data, size);
    atomic_flag_clear(&busy);
    errno = before;
}

/* A word of the program itself in the log: what it has just promised. */
void disk_mark(const char *text, uint32_t size) { note(L_MARK, -1, 0, NULL, NULL, text, size, 0); }

static void die(void) {
    syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    for (;;) {}
}

/* Counts this call; the action that falls on it, 0 for none. */
static uint32_t turn(uint32_t class) {
    if (control->pid && control->pid != (uint32_t)syscall(SYS_getpid)) return 0;
    __atomic_add_fetch(&control->seen[__builtin_ctz(class)], 1, __ATOMIC_SEQ_CST);
    if (!(control->mask & class)) return 0;
    uint64_t n = __atomic_add_fetch(&control->calls, 1, __ATOMIC_SEQ_CST);
    if (!control->action || !control->at || (control->sticky ? n < control->at : n != control->at)) return 0;
    control->hits++;
    if (control->action == DIE_BEFORE) die();
    return control->action;
}

static int fails(uint32_t action) {
    if (action == FAIL) errno = (int)control->error;
    return action == FAIL;
}

static void after(uint32_t action) {
    if (action == DIE_AFTER || action == DIE_HALF) die();
}

/* Takes the bytes by which a file grows; 0 when there are none left. */
static int grow(int fd, int64_t end) {
    struct stat st;
    if (control->room < 0 || fstat(fd, &st) || end <= st.st_size) return 1;
    if (end - st.st_size > control->room) { errno = ENOSPC; return 0; }
    control->room -= end - st.st_size;
    return 1;
}

static void give_back(int64_t bytes) {
    if (control->room >= 0 && bytes > 0) control->room += bytes;
}

static int64_t size_of(const char *path) {
    struct stat st;
    return path && !lstat(path, &st) && S_ISREG(st.st_mode) ? st.st_size : 0;
}

static int open_at(int folder, const char *name, int flags, mode_t mode) {
    char room[4096];
    const char *path = full(folder, name, room, sizeof room);
    int mine = ours(path);
    uint32_t action = 0;
    if (mine) {
        int there = !syscall(SYS_faccessat, AT_FDCWD, path, F_OK);
        action = turn(OPEN);
        if (fails(action)) return -1;
        if (!there && (flags & O_CREAT) && !control->room) { errno = ENOSPC; return -1; }
        if (there && (flags & O_TRUNC)) give_back(size_of(path));
    }
    int fd = (int)syscall(SYS_openat, folder, name, flags, mode);
    if (mine && fd >= 0 && fd < MOST) {
        free(paths[fd]);
        paths[fd] = strdup(path);
        note(L_OPEN, fd, 0, path, NULL, NULL, 0, (uint32_t)flags);
        after(action);
    }
    return fd;
}

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char *name, int flags, ...) { MODE(flags) return open_at(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(flags) return open_at(AT_FDCWD, name, flags, mode); }
int openat(int folder, const char *name, int flags, ...) { MODE(flags) return open_at(folder, name, flags, mode); }
int openat64(int folder, const char *name, int flags, ...) { MODE(flags) return open_at(folder, name, flags, mode); }
int __open_2(const char *name, int flags) { return open_at(AT_FDCWD, name, flags, 0); }
int __open64_2(const char *name, int flags) { return open_at(AT_FDCWD, name, flags, 0); }
int creat(const char *name, mode_t mode) { return open_at(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *name, mode_t mode) { return creat(name, mode); }

int close(int fd) {
    if (fd >= 0 && fd == log_fd) return 0;
    if (path_of(fd)) {
        note(L_CLOSE, fd, 0, NULL, NULL, NULL, 0, 0);
        free(paths[fd]);
        paths[fd] = NULL;
    }
    return (int)syscall(SYS_close, fd);
}

static ssize_t put_at(int fd, const void *data, size_t size, int64_t at, int placed) {
    uint32_t action = turn(WRITE);
    if (fails(action)) return -1;
    if (!placed) {
        int state = (int)syscall(SYS_fcntl, fd, F_GETFL);
        struct stat st;
        at = (state & O_APPEND) && !fstat(fd, &st) ? st.st_size : syscall(SYS_lseek, fd, 0, SEEK_CUR);
    }
    if ((action == SHORT || action == DIE_HALF) && size > 1) size /= 2;
    if (!grow(fd, at + (int64_t)size)) return -1;
    ssize_t n = placed ? syscall(SYS_pwrite64, fd, data, size, at) : syscall(SYS_write, fd, data, size);
    if (n > 0) note(L_WRITE, fd, at, NULL, NULL, data, (size_t)n, 0);
    after(action);
    return n;
}

ssize_t write(int fd, const void *data, size_t size) {
    return path_of(fd) ? put_at(fd, data, size, 0, 0) : syscall(SYS_write, fd, data, size);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    return path_of(fd) ? put_at(fd, data, size, at, 1) : syscall(SYS_pwrite64, fd, data, size, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { return pwrite(fd, data, size, at); }

ssize_t read(int fd, void *data, size_t size) {
    if (path_of(fd)) {
        uint32_t action = turn(READ);
        if (fails(action)) return -1;
    }
    return syscall(SYS_read, fd, data, size);
}
ssize_t pread(int fd, void *data, size_t size, off_t at) {
    if (path_of(fd)) {
        uint32_t action = turn(READ);
        if (fails(action)) return -1;
    }
    return syscall(SYS_pread64, fd, data, size, at);
}
ssize_t pread64(int fd, void *data, size_t size, off64_t at) { return pread(fd, data, size, at); }

int ftruncate(int fd, off_t size) {
    if (!path_of(fd)) return (int)syscall(SYS_ftruncate, fd, size);
    uint32_t action = turn(RESIZE);
    if (fails(action)) return -1;
    struct stat st;
    int64_t before = fstat(fd, &st) ? 0 : st.st_size;
    int result = (int)syscall(SYS_ftruncate, fd, size);
    if (!result) {
        give_back(before - size);
        note(L_RESIZE, fd, size, NULL, NULL, NULL, 0, 0);
    }
    after(action);
    return result;
}
int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

int fallocate(int fd, int mode, off_t at, off_t size) {
    if (!path_of(fd)) return (int)syscall(SYS_fallocate, fd, mode, at, size);
    uint32_t action = turn(RESIZE);
    if (fails(action) || !grow(fd, at + size)) return -1;
    struct stat st;
    int result = (int)syscall(SYS_fallocate, fd, mode, at, size);
    if (!result && !fstat(fd, &st)) note(L_RESIZE, fd, st.st_size, NULL, NULL, NULL, 0, 0);
    after(action);
    return result;
}
int fallocate64(int fd, int mode, off64_t at, off64_t size) { return fallocate(fd, mode, at, size); }
int posix_fallocate(int fd, off_t at, off_t size) {
    int before = errno, result = fallocate(fd, 0, at, size) ? errno : 0;
    errno = before;
    return result;
}
int posix_fallocate64(int fd, off64_t at, off64_t size) { return posix_fallocate(fd, at, size); }

static int reach(int fd, long call, uint32_t flags) {
    if (!path_of(fd)) return (int)syscall(call, fd);
    uint32_t action = turn(SYNC);
    if (fails(action)) return -1;
    int result = (int)syscall(call, fd);
    if (!result) note(L_SYNC, fd, 0, NULL, NULL, NULL, 0, flags);
    after(action);
    return result;
}
int fsync(int fd) { return reach(fd, SYS_fsync, 0); }
int fdatasync(int fd) { return reach(fd, SYS_fdatasync, 1); }

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    char a[4096], b[4096];
    const char *old = full(from_folder, from, a, sizeof a), *new = full(to_folder, to, b, sizeof b);
    int mine = ours(old) || ours(new);
    uint32_t action = mine ? turn(RENAME) : 0;
    if (fails(action)) return -1;
    int64_t over = mine ? size_of(new) : 0;
    int result = (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
    if (mine && !result) {
        give_back(over);
        note(L_RENAME, -1, 0, old, new, NULL, 0, 0);
        after(action);
    }
    return result;
}
int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int ff, const char *from, int tf, const char *to) { return renameat2(ff, from, tf, to, 0); }

int unlinkat(int folder, const char *name, int flags) {
    char room[4096];
    const char *path = full(folder, name, room, sizeof room);
    int mine = ours(path);
    uint32_t action = mine ? turn(REMOVE) : 0;
    if (fails(action)) return -1;
    int64_t size = mine ? size_of(path) : 0;
    int result = (int)syscall(SYS_unlinkat, folder, name, flags);
    if (mine && !result) {
        give_back(size);
        note(flags & AT_REMOVEDIR ? L_RMDIR : L_UNLINK, -1, 0, path, NULL, NULL, 0, 0);
        after(action);
    }
    return result;
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

int mkdirat(int folder, const char *name, mode_t mode) {
    char room[4096];
    const char *path = full(folder, name, room, sizeof room);
    int mine = ours(path);
    uint32_t action = mine ? turn(FOLDER) : 0;
    if (fails(action)) return -1;
    if (mine && !control->room) { errno = ENOSPC; return -1; }
    int result = (int)syscall(SYS_mkdirat, folder, name, mode);
    if (mine && !result) {
        note(L_MKDIR, -1, 0, path, NULL, NULL, 0, 0);
        after(action);
    }
    return result;
}
int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

int fcntl(int fd, int command, ...) {
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (path_of(fd) && (command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK)) {
        const struct flock *lock = argument;
        uint32_t action = lock->l_type == F_UNLCK ? 0 : turn(LOCK);
        if (fails(action)) return -1;
    }
    return (int)syscall(SYS_fcntl, fd, command, argument);
}
int fcntl64(int fd, int command, ...) {
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    return fcntl(fd, command, argument);
}

int flock(int fd, int operation) {
    if (path_of(fd) && !(operation & LOCK_UN)) {
        uint32_t action = turn(LOCK);
        if (fails(action)) return -1;
    }
    return (int)syscall(SYS_flock, fd, operation);
}

/* While a fault stays nobody waits for its end: SQLite would sleep for ten seconds over a lock that is not to be had. */
static int in_vain(void) { return control->hits && control->sticky; }
int nanosleep(const struct timespec *time, struct timespec *left) {
    return in_vain() ? 0 : (int)syscall(SYS_nanosleep, time, left);
}
int usleep(useconds_t micros) {
    struct timespec time = {micros / 1000000, (micros % 1000000) * 1000};
    return nanosleep(&time, NULL);
}

/* Copies inside the kernel would not be seen; programs fall back to reading and writing. */
ssize_t sendfile64(int to, int from, off64_t *at, size_t size) {
    if (path_of(to)) { errno = EINVAL; return -1; }
    return syscall(SYS_sendfile, to, from, at, size);
}
ssize_t sendfile(int to, int from, off_t *at, size_t size) { return sendfile64(to, from, at, size); }
ssize_t copy_file_range(int from, off64_t *a, int to, off64_t *b, size_t size, unsigned flags) {
    if (path_of(to)) { errno = ENOSYS; return -1; }
    return syscall(SYS_copy_file_range, from, a, to, b, size, flags);
}
