// A Video4Linux camera that is not there: loaded before the C library (LD_PRELOAD), it puts FAKE_V4L2/video0, a file,
// in the place of /dev/video0 and answers its ioctls as the kernel's documentation has them. It has one format, 64 x 48
// pixels, 30 frames a second, lines of 80 bytes filled up with 255; the nth frame is of grey level n. FAKE_FOURCC is
// what it calls its pixels.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WIDTH = 64, HEIGHT = 48, STRIDE = 80, BUFFERS = 4, BUFFER_BYTES = 8192 };

static int device = -1, streams, n_frames, n_queued, queue[BUFFERS];

static const char *below(const char *name) {
    static __thread char path[4096];
    snprintf(path, sizeof path, "%s%s", getenv("FAKE_V4L2"), name);
    return path;
}

static int opened(const char *symbol, const char *path, int flags, int mode) {
    int (*next)(const char *, int, int) = (int (*)(const char *, int, int))dlsym(RTLD_NEXT, symbol);
    int is_ours = strcmp(path, "/dev/video0") == 0;
    int fd = next(is_ours ? below("/video0") : path, is_ours ? O_RDWR : flags, mode);
    if (is_ours) device = fd;
    return fd;
}

#define OPEN(symbol) \
    int symbol(const char *path, int flags, ...) { \
        va_list list; \
        va_start(list, flags); \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, int) : 0; \
        va_end(list); \
        return opened(#symbol, path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

DIR *opendir(const char *path) {
    DIR *(*next)(const char *) = (DIR * (*)(const char *)) dlsym(RTLD_NEXT, "opendir");
    return next(strcmp(path, "/dev") == 0 ? below("") : path);
}

static unsigned fourcc(void) {
    const char *name = getenv("FAKE_FOURCC");
    return v4l2_fourcc(name[0], name[1], name[2], name[3]);
}

static int refuse(int error) {
    errno = error;
    return -1;
}

static int answer(unsigned long request, void *asked) {
    struct v4l2_capability *caps = asked;
    struct v4l2_fmtdesc *described = asked;
    struct v4l2_format *format = asked;
    struct v4l2_streamparm *rate = asked;
    struct v4l2_requestbuffers *wanted = asked;
    struct v4l2_buffer *buffer = asked;
    switch (request) {
    case VIDIOC_QUERYCAP:
        strcpy((char *)caps->driver, "fake");
        strcpy((char *)caps->card, "grey camera");
        caps->capabilities = caps->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        return 0;
    case VIDIOC_ENUM_FMT:
        if (described->index) return refuse(EINVAL);
        described->pixelformat = fourcc();
        return 0;
    case VIDIOC_S_FMT:
        if (streams) return refuse(EBUSY);
        // Whatever was asked: the driver changes it to what it has, and says so.
        // fall through
    case VIDIOC_G_FMT:
        format->fmt.pix = (struct v4l2_pix_format){.width = WIDTH, .height = HEIGHT, .pixelformat = fourcc(),
            .field = V4L2_FIELD_NONE, .bytesperline = STRIDE, .sizeimage = STRIDE * HEIGHT,
            .colorspace = V4L2_COLORSPACE_SRGB};
        return 0;
    case VIDIOC_S_PARM:
    case VIDIOC_G_PARM:
        rate->parm.capture.timeperframe = (struct v4l2_fract){1, 30};
        return 0;
    case VIDIOC_REQBUFS:
        if (wanted->count > BUFFERS) wanted->count = BUFFERS;
        return 0;
    case VIDIOC_QUERYBUF:
        buffer->length = BUFFER_BYTES;
        buffer->m.offset = buffer->index * BUFFER_BYTES;
        return 0;
    case VIDIOC_QBUF:
        if (n_queued == BUFFERS) return refuse(EINVAL);
        queue[n_queued++] = buffer->index;
        return 0;
    case VIDIOC_DQBUF:
        if (!streams || !n_queued) return refuse(EINVAL);
        usleep(20000);
        buffer->index = queue[0];
        memmove(queue, queue + 1, --n_queued * sizeof *queue);
        n_frames++;
        unsigned char frame[STRIDE * HEIGHT];
        for (int at = 0; at < STRIDE * HEIGHT; at++) frame[at] = at % STRIDE < WIDTH ? n_frames % 200 : 255;
        buffer->bytesused = pwrite(device, frame, sizeof frame, buffer->index * BUFFER_BYTES);
        buffer->sequence = n_frames;
        return 0;
    case VIDIOC_STREAMON:
        streams = 1;
        return 0;
    case VIDIOC_STREAMOFF:
        streams = n_queued = 0;
        return 0;
    default:
        return refuse(ENOTTY);
    }
}

long syscall(long number, ...) {
    va_list list;
    va_start(list, number);
    long args[6];
    for (int at = 0; at < 6; at++) args[at] = va_arg(list, long);
    va_end(list);
    if (number == SYS_ioctl && args[0] == device && device != -1) return answer((unsigned int)args[1], (void *)args[2]);
    long (*next)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    return next(number, args[0], args[1], args[2], args[3], args[4], args[5]);
}
