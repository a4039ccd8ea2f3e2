/* The command line of cmpload: what to send where, and the keys and certificates for it. */
#include "order.h"

#include <getopt.h>
#include <netdb.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const char usage[] =
    "usage: cmpload --server HOST:PORT [option...]\n"
    "Load a CMP server on this machine, and say as a JSON object how it took it.\n"
    "  --server HOST:PORT       where; loopback addresses only\n"
    "  --path PATH              HTTP path (default: cmp)\n"
    "  --command NAME           ir, cr, kur, p10cr or rr (default: ir)\n"
    "  --threads N              transactions at once (default: 4)\n"
    "  --transactions N         how many in all (default: 400)\n"
    "  --seconds S              start none after S seconds (default: 300)\n"
    "  --rate R                 start R a second, whether answers come or not; latencies count from when a\n"
    "                           transaction was due (default: as fast as answers come)\n"
    "  --ref REF --secret FILE  PasswordBasedMac; the secret is the file's first line\n"
    "  --cert FILE --key FILE   signature; repeated, thread i takes the pair i modulo their number\n"
    "  --trusted FILE           PEM, for signed responses: trust anchors\n"
    "  --srvcert FILE           PEM, for signed responses: the certificate that signs them\n"
    "  --newkey FILE            ask for certificates for this key (default: keys made at the start)\n"
    "  --keys N                 how many keys to make, used in turn (default: 64)\n"
    "  --keytype TYPE           of the keys to make: P-256, RSA-2048 (default: P-256)\n"
    "  --subject NAME           such as CN=device,O=Example (default: CN=cmpload)\n"
    "  --recipient NAME         as --subject (default: what libcrypto makes of the rest)\n"
    "  --no-keep-alive          a connection for each message\n"
    "  --no-delay               set TCP_NODELAY, which libcrypto does not of itself\n"
    "  --implicit-confirm       ask for implicit confirmation\n"
    "  --prepared               make all requests before the start and send them on kept connections, so that\n"
    "                           the client hardly uses CPU; one request a transaction: ir, cr or p10cr with\n"
    "                           --implicit-confirm\n";

static void die(const char *what, const char *which) {
    fprintf(stderr, "cmpload: %s%s%s\n", what, which == NULL ? "" : ": ", which == NULL ? "" : which);
    exit(64);
}

static long number(const char *option, const char *text, long low, long high) {
    char *end;
    long value = strtol(text, &end, 10);
    if (end == text || *end != '\0' || value < low || value > high) {
        fprintf(stderr, "cmpload: --%s: expected a number from %ld to %ld, not %s\n", option, low, high, text);
        exit(64);
    }
    return value;
}

static int command_of(const char *name) {
    static const struct {
        const char *name;
        int type;
    } commands[] = {{"ir", OSSL_CMP_IR},
                    {"cr", OSSL_CMP_CR},
                    {"kur", OSSL_CMP_KUR},
                    {"p10cr", OSSL_CMP_P10CR},
                    {"rr", BODY_RR}};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].type;
    die("--command: expected ir, cr, kur, p10cr or rr", name);
    return -1;
}

/* "CN=device,O=Example" as a name. */
static X509_NAME *name_of(const char *text) {
    X509_NAME *name = X509_NAME_new();
    char *copy = strdup(text), *rest = copy;
    for (char *part; (part = strsep(&rest, ",")) != NULL;) {
        char *value = strchr(part, '=');
        if (value == NULL)
            die("a name is written as CN=device,O=Example", text);
        *value++ = '\0';
        if (!X509_NAME_add_entry_by_txt(name, part, MBSTRING_UTF8, (const unsigned char *)value, -1, -1, 0))
            die("unknown attribute type in a name", part);
    }
    free(copy);
    return name;
}

static FILE *open_file(const char *path) {
    FILE *file = fopen(path, "r");
    if (file == NULL)
        die("cannot read", path);
    return file;
}

static EVP_PKEY *load_key(const char *path) {
    FILE *file = open_file(path);
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    fclose(file);
    if (key == NULL)
        die("no PEM private key in", path);
    return key;
}

static X509 *load_certificate(const char *path) {
    FILE *file = open_file(path);
    X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    if (certificate == NULL)
        die("no PEM certificate in", path);
    return certificate;
}

static X509_STORE *load_trusted(const char *path) {
    X509_STORE *store = X509_STORE_new();
    if (store == NULL || !X509_STORE_load_file(store, path))
        die("no PEM certificates in", path);
    return store;
}

static char *load_secret(const char *path) {
    char line[512];
    FILE *file = open_file(path);
    if (fgets(line, sizeof line, file) == NULL)
        die("no secret in", path);
    fclose(file);
    line[strcspn(line, "\r\n")] = '\0';
    return strdup(line);
}

/* Resolve the server's address; whatever is not a loopback address is refused. */
static void set_server(struct order *order, char *text) {
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *found;
    char *colon = strrchr(text, ':');
    if (colon == NULL)
        die("--server: expected HOST:PORT", text);
    *colon = '\0';
    if (*text == '[' && colon[-1] == ']') {
        colon[-1] = '\0';
        text++;
    }
    order->host = text;
    order->port = colon + 1;
    if (getaddrinfo(order->host, order->port, &hints, &found) != 0)
        die("--server: expected a numeric address and port, such as 127.0.0.1:8504", text);
    memcpy(&order->address, found->ai_addr, found->ai_addrlen);
    order->address_length = found->ai_addrlen;
    freeaddrinfo(found);
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&order->address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&order->address;
    bool loopback = order->address.ss_family == AF_INET ? ntohl(v4->sin_addr.s_addr) >> 24 == 127
                                                        : IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
    if (!loopback)
        die("--server: only this machine (127.0.0.0/8, ::1) may be loaded, not", text);
}

static X509_REQ *request_of(EVP_PKEY *key, X509_NAME *subject) {
    X509_REQ *request = X509_REQ_new();
    if (request == NULL || !X509_REQ_set_subject_name(request, subject) || !X509_REQ_set_pubkey(request, key) ||
        !X509_REQ_sign(request, key, EVP_sha256()))
        die("cannot make a PKCS #10 request", NULL);
    return request;
}

static void make_keys(struct order *order, const char *newkey, const char *keytype) {
    if (newkey != NULL)
        order->new_key_count = 1;
    order->new_keys = calloc((size_t)order->new_key_count, sizeof *order->new_keys);
    order->requests = calloc((size_t)order->new_key_count, sizeof *order->requests);
    for (int i = 0; i < order->new_key_count; i++) {
        EVP_PKEY *key = newkey != NULL                      ? load_key(newkey)
                        : strcmp(keytype, "RSA-2048") == 0 ? EVP_RSA_gen(2048)
                        : strcmp(keytype, "P-256") == 0    ? EVP_EC_gen("P-256")
                                                           : NULL;
        if (key == NULL)
            die("--keytype: expected P-256 or RSA-2048", keytype);
        order->new_keys[i] = key;
        order->requests[i] = request_of(key, order->subject);
    }
}

static void check(const struct order *order, int keys) {
    if (order->host == NULL)
        die("--server is missing", NULL);
    if ((order->reference == NULL) != (order->secret == NULL))
        die("--ref and --secret go together", NULL);
    if (keys != order->identities)
        die("each --cert needs its --key", NULL);
    if ((order->reference == NULL) == (order->identities == 0))
        die("give either --ref and --secret, or --cert and --key", NULL);
    if (order->identities > 0 && order->trusted == NULL && order->server_certificate == NULL)
        die("--cert needs --trusted or --srvcert", NULL);
    if (order->command == OSSL_CMP_KUR && order->identities < order->threads)
        die("kur needs a --cert and --key for each thread, as each updates its own", NULL);
    if (order->prepared && (!order->implicit_confirm || order->command == OSSL_CMP_KUR ||
                            order->command == BODY_RR))
        die("--prepared is for ir, cr and p10cr with --implicit-confirm", NULL);
}

void order_read(struct order *order, int argc, char **argv) {
    static const struct option options[] = {
        {"server", 1, NULL, 's'},     {"path", 1, NULL, 'p'},          {"command", 1, NULL, 'c'},
        {"threads", 1, NULL, 't'},    {"transactions", 1, NULL, 'n'},  {"seconds", 1, NULL, 'S'},
        {"rate", 1, NULL, 'r'},       {"ref", 1, NULL, 'R'},           {"secret", 1, NULL, 'w'},
        {"cert", 1, NULL, 'C'},       {"key", 1, NULL, 'K'},           {"trusted", 1, NULL, 'T'},
        {"srvcert", 1, NULL, 'V'},    {"newkey", 1, NULL, 'N'},        {"keys", 1, NULL, 'k'},
        {"keytype", 1, NULL, 'y'},    {"subject", 1, NULL, 'u'},       {"recipient", 1, NULL, 'e'},
        {"no-keep-alive", 0, NULL, 'a'}, {"no-delay", 0, NULL, 'd'},   {"implicit-confirm", 0, NULL, 'i'},
        {"prepared", 0, NULL, 'P'},   {"help", 0, NULL, 'h'},          {NULL, 0, NULL, 0}};
    const char *newkey = NULL, *keytype = "P-256", *subject = "CN=cmpload";
    int keys = 0;
    *order = (struct order){.path = "cmp",
                            .command = OSSL_CMP_IR,
                            .command_name = "ir",
                            .threads = 4,
                            .transactions = 400,
                            .seconds = 300,
                            .new_key_count = 64,
                            .keep_alive = true};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 's': set_server(order, optarg); break;
        case 'p': order->path = optarg + (*optarg == '/'); break;
        case 'c': order->command = command_of(optarg), order->command_name = optarg; break;
        case 't': order->threads = (int)number("threads", optarg, 1, MAX_THREADS); break;
        case 'n': order->transactions = number("transactions", optarg, 1, MAX_TRANSACTIONS); break;
        case 'S': order->seconds = (double)number("seconds", optarg, 1, MAX_SECONDS); break;
        case 'r': order->rate = (double)number("rate", optarg, 1, 100000); break;
        case 'R': order->reference = optarg; break;
        case 'w': order->secret = load_secret(optarg); break;
        case 'C':
            if (order->identities == MAX_IDENTITIES)
                die("too many --cert", NULL);
            order->identity_certificates[order->identities++] = load_certificate(optarg);
            break;
        case 'K':
            if (keys == MAX_IDENTITIES)
                die("too many --key", NULL);
            order->identity_keys[keys++] = load_key(optarg);
            break;
        case 'T': order->trusted = load_trusted(optarg); break;
        case 'V': order->server_certificate = load_certificate(optarg); break;
        case 'N': newkey = optarg; break;
        case 'k': order->new_key_count = (int)number("keys", optarg, 1, 10000); break;
        case 'y': keytype = optarg; break;
        case 'u': subject = optarg; break;
        case 'e': order->recipient = name_of(optarg); break;
        case 'a': order->keep_alive = false; break;
        case 'd': order->no_delay = true; break;
        case 'i': order->implicit_confirm = true; break;
        case 'P': order->prepared = true; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: fputs(usage, stderr); exit(64);
        }
    }
    if (optind != argc)
        die("unexpected argument", argv[optind]);
    check(order, keys);
    order->subject = name_of(subject);
    make_keys(order, newkey, keytype);
}
