// Preloaded into a broker: writes down, in one order, everything it does to the files below one directory,
// and every answer it gives, so that a test can rebuild what a disk may hold after a power cut at any
// instant. On demand it also makes the disk fail, forgets syncs, or kills the process between two steps.
//
// Environment (all optional but the first):
//   CAMINO_DISK_ROOT      the directory; an absolute path without links
//   CAMINO_DISK_TRACE     where the records go, appended
//   CAMINO_DISK_DIE       kills the process right after so many changes of files
//   CAMINO_DISK_UNSYNCED  syncs of files whose path contains this say yes and do nothing; $ stands for its end
//   CAMINO_DISK_FAULT     OP:ERRNO:PART:FLAG, OP is write, sync, open (to write) or rename: fails on files whose path
//                         contains PART, as long as the file FLAG exists; with ERRNO 0 it kills the process
//                         instead, a rename after it was done
//
// A change and its record are made under one lock, so no record is out of order. A sync is two records, and
// promises only what was written before the first. Calls go to the kernel directly. What bypasses the C
// library is not seen; the test compares the replayed end with the real directory to be sure of that.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind {
    START = 1, OPEN, CLOSE, WRITE, RESIZE, SYNC_BEGIN, SYNC_END, RENAME, UNLINK, MKDIR, RMDIR, SENT, RECEIVED, FAULT
};
enum { CREATED = 1, TRUNCATED = 2 };
enum { FDS = 65536, MESSAGE_BYTES_MAX = 4096, PATH_BYTES = 4096 };

struct record {
    uint32_t kind, fd;
    uint64_t a, b;
    uint32_t path_bytes, data_bytes;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_BYTES];
static size_t root_bytes;
static int trace = -1;
static long changes, die_after;
static uint64_t syncs;
static const char *unsynced;
static char fault_op, fault_part[256], fault_flag[PATH_BYTES];
static int fault_errno;
// Descriptors of files below the root that were opened and not closed.
static unsigned char tracked[FDS];

static void note(enum kind kind, int fd, uint64_t a, uint64_t b, const char *path, const void *data, size_t bytes)
{
    if (trace < 0) return;
    struct record head = {kind, (uint32_t)fd, a, b, path ? strlen(path) : 0, bytes};
    struct iovec parts[3] = {{&head, sizeof head}, {(void *)path, head.path_bytes}, {(void *)data, bytes}};
    ssize_t whole = sizeof head + head.path_bytes + bytes;
    int before = errno;
    if (syscall(SYS_writev, trace, parts, 3) != whole) {
        static const char why[] = "the trace could not be written\n";
        syscall(SYS_write, 2, why, sizeof why - 1);
        abort();
    }
    errno = before;
}

// A change of files is in the trace: time to die?
static void changed(void)
{
    if (die_after && ++changes >= die_after) syscall(SYS_kill, getpid(), SIGKILL);
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("CAMINO_DISK_ROOT");
    if (!text) return;
    snprintf(root, sizeof root, "%s", text);
    root_bytes = strlen(root);
    if ((text = getenv("CAMINO_DISK_DIE"))) die_after = atol(text);
    unsynced = getenv("CAMINO_DISK_UNSYNCED");
    if ((text = getenv("CAMINO_DISK_FAULT"))) {
        char op[8] = "";
        if (sscanf(text, "%7[^:]:%d:%255[^:]:%4095s", op, &fault_errno, fault_part, fault_flag) != 4) abort();
        fault_op = op[0];
    }
    if ((text = getenv("CAMINO_DISK_TRACE")))
        trace = syscall(SYS_openat, AT_FDCWD, text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    note(START, 0, 0, 0, NULL, NULL, 0);
}

// The absolute path behind a descriptor.
static int path_of(int fd, char *out)
{
    char link[64];
    snprintf(link, sizeof link, fd == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", fd);
    ssize_t bytes = readlink(link, out, PATH_BYTES - 1);
    if (bytes < 0) return -1;
    out[bytes] = 0;
    return 0;
}

// The part of an absolute path below the root, or NULL. Shared memory of SQLite is no file to keep.
static const char *below(const char *path)
{
    size_t bytes = strlen(path);
    if (!root_bytes || strncmp(path, root, root_bytes) || (path[root_bytes] && path[root_bytes] != '/')) return NULL;
    if (bytes > 4 && !strcmp(path + bytes - 4, "-shm")) return NULL;
    return path[root_bytes] ? path + root_bytes + 1 : path + root_bytes;
}

static const char *resolve(int dir, const char *path, char *out)
{
    int before = errno;
    if (path[0] == '/') snprintf(out, PATH_BYTES, "%s", path);
    else {
        char base[PATH_BYTES];
        if (path_of(dir, base)) base[0] = 0;
        if (snprintf(out, PATH_BYTES, "%s/%s", base, path) >= PATH_BYTES) abort();
    }
    errno = before;
    return below(out);
}

static int is_tracked(int fd) { return fd >= 0 && fd < FDS && tracked[fd]; }

// Whether the path contains the part; or ends with it, if a $ says so.
static int matches(const char *path, const char *part)
{
    size_t bytes = strlen(part), whole = strlen(path);
    if (!bytes || part[bytes - 1] != '$') return strstr(path, part) != NULL;
    return whole >= bytes - 1 && !strncmp(path + whole - (bytes - 1), part, bytes - 1);
}

// Whether `op` on this file has to fail now; sets errno.
static int fails_at(char op, const char *path)
{
    if (!below(path) || !matches(path, fault_part)) return 0;
    if (!fault_errno) syscall(SYS_kill, getpid(), SIGKILL);
    note(FAULT, 0, op, fault_errno, below(path), NULL, 0);
    errno = fault_errno;
    return 1;
}

static int is_armed(char op) { return fault_op == op && !syscall(SYS_faccessat, AT_FDCWD, fault_flag, F_OK); }

static int fails(char op, int fd)
{
    char path[PATH_BYTES];
    return is_armed(op) && !path_of(fd, path) && fails_at(op, path);
}

static int opened(int dir, const char *path, int flags, mode_t mode)
{
    char real[PATH_BYTES];
    pthread_mutex_lock(&lock);
    int existed = !(flags & O_CREAT) || !syscall(SYS_faccessat, dir, path, F_OK);
    int writes = (flags & (O_WRONLY | O_RDWR | O_CREAT)) && is_armed('o');
    int fd = writes && resolve(dir, path, real) && fails_at('o', real) ? -1 : (int)syscall(SYS_openat, dir, path, flags, mode);
    int before = errno;
    if (fd >= FDS) abort();
    if (fd >= 0) {
        const char *name = path_of(fd, real) ? NULL : below(real);
        tracked[fd] = name != NULL;
        if (name) {
            int what = (existed ? 0 : CREATED) | (flags & O_TRUNC ? TRUNCATED : 0);
            note(OPEN, fd, what, 0, name, NULL, 0);
            if (what) changed();
        }
    }
    pthread_mutex_unlock(&lock);
    errno = before;
    return fd;
}

static mode_t mode_of(int flags, va_list rest)
{
    return flags & O_CREAT ? va_arg(rest, mode_t) : 0;
}

#define OPENS(name, parameters, last, dir)             \
    int name parameters                                \
    {                                                  \
        va_list rest;                                  \
        va_start(rest, last);                          \
        mode_t mode = mode_of(flags, rest);            \
        va_end(rest);                                  \
        return opened(dir, path, flags, mode);         \
    }
OPENS(open, (const char *path, int flags, ...), flags, AT_FDCWD)
OPENS(open64, (const char *path, int flags, ...), flags, AT_FDCWD)
OPENS(openat, (int dir, const char *path, int flags, ...), flags, dir)
OPENS(openat64, (int dir, const char *path, int flags, ...), flags, dir)

int close(int fd)
{
    pthread_mutex_lock(&lock);
    if (is_tracked(fd)) {
        tracked[fd] = 0;
        note(CLOSE, fd, 0, 0, NULL, NULL, 0);
    }
    int result = syscall(SYS_close, fd);
    pthread_mutex_unlock(&lock);
    return result;
}

// The first bytes of what the parts hold.
static size_t gather(const struct iovec *parts, int count, size_t most, char *out)
{
    size_t bytes = 0;
    for (int i = 0; i < count && bytes < most; i++) {
        size_t part = parts[i].iov_len < most - bytes ? parts[i].iov_len : most - bytes;
        memcpy(out + bytes, parts[i].iov_base, part);
        bytes += part;
    }
    return bytes;
}

// An answer that says yes, or a delivery.
static void sent(int fd, const struct iovec *parts, int count, ssize_t bytes)
{
    char head[MESSAGE_BYTES_MAX];
    if (bytes < 10) return;
    size_t kept = gather(parts, count, (size_t)bytes < sizeof head ? (size_t)bytes : sizeof head, head);
    if (!memcmp(head, "HTTP/1.1 2", 10) || !memcmp(head, "POST /", 6)) note(SENT, fd, 0, 0, NULL, head, kept);
}

static void received(int fd, const void *data, ssize_t bytes)
{
    if (trace < 0 || bytes < 10 || memcmp(data, "HTTP/1.1 2", 10)) return;
    pthread_mutex_lock(&lock);
    note(RECEIVED, fd, 0, 0, NULL, data, bytes < 32 ? bytes : 32);
    pthread_mutex_unlock(&lock);
}

// Writes to a file below the root, or to something else; `at` is -1 where the descriptor says where.
static ssize_t written(int fd, const struct iovec *parts, int count, off_t at)
{
    pthread_mutex_lock(&lock);
    ssize_t bytes;
    struct stat found;
    int is_file = is_tracked(fd) && !fstat(fd, &found) && S_ISREG(found.st_mode);
    if (is_file && fails('w', fd)) bytes = -1;
    else {
        off_t from = at;
        if (is_file && at < 0) {
            int appends = fcntl(fd, F_GETFL) & O_APPEND;
            from = appends ? found.st_size : syscall(SYS_lseek, fd, 0, SEEK_CUR);
        }
        bytes = at < 0 ? syscall(SYS_writev, fd, parts, count) : syscall(SYS_pwritev, fd, parts, count, at, 0);
        if (is_file && bytes > 0) {
            char *data = malloc(bytes);
            gather(parts, count, bytes, data);
            note(WRITE, fd, from, 0, NULL, data, bytes);
            free(data);
            changed();
        } else if (!is_file) sent(fd, parts, count, bytes);
    }
    pthread_mutex_unlock(&lock);
    return bytes;
}

ssize_t write(int fd, const void *data, size_t bytes)
{
    struct iovec part = {(void *)data, bytes};
    return written(fd, &part, 1, -1);
}
ssize_t writev(int fd, const struct iovec *parts, int count) { return written(fd, parts, count, -1); }

#define PWRITES(name, names)                                                     \
    ssize_t name(int fd, const void *data, size_t bytes, off_t at)               \
    {                                                                            \
        struct iovec part = {(void *)data, bytes};                               \
        return written(fd, &part, 1, at);                                        \
    }                                                                            \
    ssize_t names(int fd, const struct iovec *parts, int count, off_t at) { return written(fd, parts, count, at); }
PWRITES(pwrite, pwritev)
PWRITES(pwrite64, pwritev64)

ssize_t sendto(int fd, const void *data, size_t bytes, int flags, const struct sockaddr *to, socklen_t to_bytes)
{
    struct iovec part = {(void *)data, bytes};
    pthread_mutex_lock(&lock);
    ssize_t result = syscall(SYS_sendto, fd, data, bytes, flags, to, to_bytes);
    sent(fd, &part, 1, result);
    pthread_mutex_unlock(&lock);
    return result;
}
ssize_t send(int fd, const void *data, size_t bytes, int flags) { return sendto(fd, data, bytes, flags, NULL, 0); }

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    pthread_mutex_lock(&lock);
    ssize_t result = syscall(SYS_sendmsg, fd, message, flags);
    sent(fd, message->msg_iov, message->msg_iovlen, result);
    pthread_mutex_unlock(&lock);
    return result;
}

ssize_t recvfrom(int fd, void *data, size_t bytes, int flags, struct sockaddr *from, socklen_t *from_bytes)
{
    ssize_t result = syscall(SYS_recvfrom, fd, data, bytes, flags, from, from_bytes);
    if (!(flags & MSG_PEEK)) received(fd, data, result);
    return result;
}
ssize_t recv(int fd, void *data, size_t bytes, int flags) { return recvfrom(fd, data, bytes, flags, NULL, NULL); }

static int resized(int fd, off_t size)
{
    pthread_mutex_lock(&lock);
    int result = is_tracked(fd) && fails('w', fd) ? -1 : (int)syscall(SYS_ftruncate, fd, size);
    if (!result && is_tracked(fd)) {
        note(RESIZE, fd, size, 0, NULL, NULL, 0);
        changed();
    }
    pthread_mutex_unlock(&lock);
    return result;
}
int ftruncate(int fd, off_t size) { return resized(fd, size); }
int ftruncate64(int fd, off_t size) { return resized(fd, size); }

// The lock is not held in the sync itself: what others write meanwhile is not promised by it.
static int synced(int fd, long call)
{
    char path[PATH_BYTES];
    uint64_t id = 0;
    int wanted = is_tracked(fd);
    if (wanted) {
        pthread_mutex_lock(&lock);
        int failing = fails('s', fd);
        int dropped = unsynced && !path_of(fd, path) && matches(path, unsynced);
        if (!failing && !dropped) note(SYNC_BEGIN, fd, id = ++syncs, 0, NULL, NULL, 0);
        pthread_mutex_unlock(&lock);
        if (failing) return -1;
        if (dropped) return 0;
    }
    int result = syscall(call, fd);
    if (wanted && !result) {
        pthread_mutex_lock(&lock);
        note(SYNC_END, fd, id, 0, NULL, NULL, 0);
        changed();
        pthread_mutex_unlock(&lock);
    }
    return result;
}
int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

int rename(const char *from, const char *to)
{
    char source[PATH_BYTES], target[PATH_BYTES];
    pthread_mutex_lock(&lock);
    int result = syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
    const char *old = resolve(AT_FDCWD, from, source), *new = resolve(AT_FDCWD, to, target);
    if (!result && old && new) {
        note(RENAME, 0, 0, 0, old, new, strlen(new));
        changed();
        if (is_armed('r')) fails_at('r', target);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

static int removed(int dir, const char *path, int flags)
{
    char real[PATH_BYTES];
    pthread_mutex_lock(&lock);
    const char *name = resolve(dir, path, real);
    int result = syscall(SYS_unlinkat, dir, path, flags);
    if (!result && name) {
        note(flags & AT_REMOVEDIR ? RMDIR : UNLINK, 0, 0, 0, name, NULL, 0);
        changed();
    }
    pthread_mutex_unlock(&lock);
    return result;
}
int unlink(const char *path) { return removed(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return removed(AT_FDCWD, path, AT_REMOVEDIR); }
int unlinkat(int dir, const char *path, int flags) { return removed(dir, path, flags); }

int mkdir(const char *path, mode_t mode)
{
    char real[PATH_BYTES];
    pthread_mutex_lock(&lock);
    int result = syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    const char *name = resolve(AT_FDCWD, path, real);
    if (!result && name) {
        note(MKDIR, 0, 0, 0, name, NULL, 0);
        changed();
    }
    pthread_mutex_unlock(&lock);
    return result;
}
