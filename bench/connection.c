/* The cheapest HTTP client that does: a kept HTTP/1.1 connection on which requests made before are posted.
 * It leaves the machine to the server, where a whole CMP client would compete with it for the cores. */
#define _GNU_SOURCE /* strcasestr */
#include "load.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BUFFER_SIZE = 65536, TIMEOUT_SECONDS = 30 };

struct connection {
    const struct order *order;
    int fd;
    char buffer[BUFFER_SIZE + 1];
    size_t filled;
};

static bool fail(char error[ERROR_LENGTH], const char *doing, const char *why) {
    snprintf(error, ERROR_LENGTH, "%s: %.300s", doing, why);
    return false;
}

static bool open_socket(struct connection *connection, char error[ERROR_LENGTH]) {
    const struct order *order = connection->order;
    struct timeval timeout = {.tv_sec = TIMEOUT_SECONDS};
    int one = 1;
    connection->fd = socket(order->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        return fail(error, "socket", strerror(errno));
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(connection->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(connection->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    if (connect(connection->fd, (const struct sockaddr *)&order->address, order->address_length) != 0)
        return fail(error, "connect", strerror(errno));
    return true;
}

struct connection *connection_new(const struct order *order, char error[ERROR_LENGTH]) {
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        fail(error, "connection", "out of memory");
        return NULL;
    }
    connection->order = order;
    if (!open_socket(connection, error)) {
        connection_free(connection);
        return NULL;
    }
    return connection;
}

void connection_free(struct connection *connection) {
    if (connection == NULL)
        return;
    if (connection->fd >= 0)
        close(connection->fd);
    free(connection);
}

static bool send_request(struct connection *connection, const unsigned char *request, int length,
                         char error[ERROR_LENGTH]) {
    char head[512];
    int head_length = snprintf(head, sizeof head,
                               "POST /%s HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: application/pkixcmp\r\n"
                               "Content-Length: %d\r\n\r\n",
                               connection->order->path, connection->order->host, connection->order->port, length);
    struct iovec parts[2] = {{head, (size_t)head_length}, {(void *)(size_t)request, (size_t)length}};
    ssize_t sent = writev(connection->fd, parts, 2);
    if (sent != head_length + length)
        return fail(error, "send", sent < 0 ? strerror(errno) : "sent in part only");
    return true;
}

static bool receive(struct connection *connection, char error[ERROR_LENGTH]) {
    if (connection->filled == BUFFER_SIZE)
        return fail(error, "receive", "the response is too long");
    ssize_t got = recv(connection->fd, connection->buffer + connection->filled, BUFFER_SIZE - connection->filled, 0);
    if (got <= 0)
        return fail(error, "receive", got < 0 ? strerror(errno) : "the server closed the connection");
    connection->filled += (size_t)got;
    connection->buffer[connection->filled] = '\0';
    return true;
}

/* Read one response; gives where its body starts and how long it is. */
static bool receive_response(struct connection *connection, const char **body, size_t *length,
                             char error[ERROR_LENGTH]) {
    char *end;
    connection->filled = 0;
    connection->buffer[0] = '\0';
    while ((end = strstr(connection->buffer, "\r\n\r\n")) == NULL)
        if (!receive(connection, error))
            return false;
    if (strncmp(connection->buffer, "HTTP/1.1 200", 12) != 0) {
        *strchr(connection->buffer, '\r') = '\0';
        return fail(error, "response", connection->buffer);
    }
    const char *field = strcasestr(connection->buffer, "\r\nContent-Length:");
    if (field == NULL || field > end)
        return fail(error, "response", "no Content-Length");
    *length = strtoul(field + 17, NULL, 10);
    *body = end + 4;
    while (connection->filled < (size_t)(*body - connection->buffer) + *length)
        if (!receive(connection, error))
            return false;
    return true;
}

/* The tag of a PKIMessage's body, -1 where it has none. Only the outline is read: to decode the message with
 * its certificates would cost the client half of what the server spends. */
static int body_type(const unsigned char *cursor, long length) {
    const unsigned char *end = cursor + length;
    int tag, class;
    if (ASN1_get_object(&cursor, &length, &tag, &class, end - cursor) & 0x80 || tag != V_ASN1_SEQUENCE)
        return -1;
    if (ASN1_get_object(&cursor, &length, &tag, &class, end - cursor) & 0x80 || tag != V_ASN1_SEQUENCE)
        return -1; /* the header */
    cursor += length;
    if (ASN1_get_object(&cursor, &length, &tag, &class, end - cursor) & 0x80 || class != V_ASN1_CONTEXT_SPECIFIC)
        return -1;
    return tag;
}

bool connection_post(struct connection *connection, const unsigned char *request, int length, int expected,
                     struct timing *timing, char error[ERROR_LENGTH]) {
    const char *body;
    size_t body_length;
    double start = now();
    if (!send_request(connection, request, length, error) ||
        !receive_response(connection, &body, &body_length, error))
        return false;
    timing->transaction = now() - start;
    timing->confirmation = -1;
    int type = body_type((const unsigned char *)body, (long)body_length);
    if (type == expected)
        return true;
    snprintf(error, ERROR_LENGTH, "response: body of type %d, where %d was expected", type, expected);
    return false;
}
