/*
 * generate.c - makes inputs. The same seed and corpus give the same inputs.
 */
#include "generate.h"
#include <ctype.h>
#include <string.h>

static uint64_t random_word(random_state *r)
{
    uint64_t z = (r->word += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

int random_below(random_state *r, int n)
{
    return (int)(random_word(r) % (uint64_t)n);
}

/* ---------- words of a text ---------- */

static bool in_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* The end of the word, blank run or sign at `p`. */
static const char *word_end(const char *p, const char *end)
{
    const char *q = p + 1;
    if (in_word(*p))
        while (q < end && in_word(*q))
            q++;
    else if (isspace((unsigned char)*p))
        while (q < end && isspace((unsigned char)*q))
            q++;
    else if (*p == '"')
        while (q < end && q[-1 + (q == p + 1)] != '"' && *q != '\n')
            q++;
    else if (q < end && strchr(".-<>+=!&|/", *p) && strchr(".->=&|/", *q) && *q)
        q++;
    return q;
}

void corpus_add(corpus *c, const char *bytes, size_t size)
{
    corpus_text text = {arena_strndup(c->arena, bytes, size), size};
    if (memchr(bytes, 0, size)) { /* keep bytes behind a NUL too */
        char *copy = arena_alloc(c->arena, size + 1);
        memcpy(copy, bytes, size);
        text.bytes = copy;
    }
    vec_push(c->arena, &c->texts, text);
    const char *end = text.bytes + size;
    for (const char *p = text.bytes; p < end;) {
        const char *q = word_end(p, end);
        corpus_text word = {p, (size_t)(q - p)};
        if (!isspace((unsigned char)*p))
            vec_push(c->arena, &c->words, word);
        p = q;
    }
}

static corpus_text any_text(const corpus *c, random_state *r)
{
    return c->texts.data[random_below(r, c->texts.count)];
}

static void add_any_word(const corpus *c, random_state *r, ptl_str *out)
{
    corpus_text word = c->words.data[random_below(r, c->words.count)];
    str_addn(out, word.bytes, word.size);
}

/* ---------- mutations ---------- */

/* n: name, 0: number, else the sign itself. */
static char class_of(corpus_text word)
{
    if (isdigit((unsigned char)*word.bytes))
        return '0';
    return in_word(*word.bytes) ? 'n' : *word.bytes;
}

/* Another word of the same class, most of the time: what still parses gets
 * further. */
static void add_other_word(const corpus *c, random_state *r, corpus_text old,
                           ptl_str *out)
{
    corpus_text word = old;
    bool any = random_below(r, 5) == 0;
    for (int i = 0; i < 20; i++) {
        word = c->words.data[random_below(r, c->words.count)];
        if (any || class_of(word) == class_of(old))
            break;
    }
    str_addn(out, word.bytes, word.size);
}

static void change_word(const corpus *c, random_state *r, corpus_text word,
                        ptl_str *out)
{
    switch (random_below(r, 8)) {
    case 0: /* left out */
        break;
    case 1: /* another before it */
        add_any_word(c, r, out);
        str_addc(out, ' ');
        str_addn(out, word.bytes, word.size);
        break;
    case 2: /* twice */
        str_addn(out, word.bytes, word.size);
        str_addc(out, ' ');
        str_addn(out, word.bytes, word.size);
        break;
    case 3:
        if (isdigit((unsigned char)*word.bytes)) {
            str_printf(out, "%d", random_below(r, 1 << random_below(r, 31)));
            break;
        }
        /* fall through */
    default:
        add_other_word(c, r, word, out);
    }
}

/* A text with a few words changed, now and then with many. */
static void change_words(const corpus *c, random_state *r, ptl_str *out)
{
    corpus_text text = any_text(c, r);
    const char *end = text.bytes + text.size;
    int expected = random_below(r, 4) == 0 ? 30 : 1 + random_below(r, 4);
    int one_in = (int)text.size / (3 * expected) + 2;
    for (const char *p = text.bytes; p < end;) {
        const char *q = word_end(p, end);
        corpus_text word = {p, (size_t)(q - p)};
        if (isspace((unsigned char)*p) || random_below(r, one_in) > 0)
            str_addn(out, p, word.size);
        else
            change_word(c, r, word, out);
        p = q;
    }
}

static void change_bytes(const corpus *c, random_state *r, ptl_str *out)
{
    corpus_text text = any_text(c, r);
    int one_in = 20 + random_below(r, 1000);
    for (size_t i = 0; i < text.size; i++)
        switch (random_below(r, one_in)) {
        case 1:
            break;
        case 2:
            str_addc(out, (char)random_below(r, 256));
            break;
        case 3:
            str_addc(out, text.bytes[i]);
            str_addc(out, "(){}[];,.\"/\\<-"[random_below(r, 14)]);
            break;
        default:
            str_addc(out, text.bytes[i]);
        }
}

/* Lines of two texts in turn. */
static void mix_lines(const corpus *c, random_state *r, ptl_str *out)
{
    corpus_text texts[2] = {any_text(c, r), any_text(c, r)};
    size_t at[2] = {0, 0};
    int side = 0, one_in = 2 + random_below(r, 12);
    while (at[side] < texts[side].size) {
        const char *line = texts[side].bytes + at[side];
        size_t left = texts[side].size - at[side];
        const char *end = memchr(line, '\n', left);
        size_t length = end ? (size_t)(end - line) + 1 : left;
        if (random_below(r, 10) > 0)
            str_addn(out, line, length);
        at[side] += length;
        if (random_below(r, one_in) == 0)
            side = 1 - side;
    }
}

/* A text cut off, or a piece of it many times over. */
static void cut_or_repeat(const corpus *c, random_state *r, ptl_str *out)
{
    corpus_text text = any_text(c, r);
    size_t from = (size_t)random_below(r, (int)text.size + 1);
    str_addn(out, text.bytes, from);
    if (random_below(r, 2) == 0)
        return;
    size_t most = text.size - from;
    size_t length =
        most ? (size_t)random_below(r, (int)(most < 40 ? most : 40)) : 0;
    int times = 1 << random_below(r, 11);
    for (int i = 0; i < times && out->length < 40000; i++)
        str_addn(out, text.bytes + from, length);
    str_addn(out, text.bytes + from, most);
}

/* ---------- programs that follow the grammar ---------- */

/*
 * One rule a letter; a capital in a rule is expanded, everything else is
 * printed. Alternatives are separated by newlines; the first of each rule ends
 * the recursion and is taken once the depth is used up.
 */
static const struct rule {
    char name;
    const char *text;
} rules[] = {
    {'P', "ptl 1;\nI\nD\nD\nptl 1;\nD\nD\nD\nD\nptl 1;\nD\nT\n"},
    {'I', "\nimport std.nn;\nimport std.nn;import std.loss;import std.optim;\n"
          "import \"x.ptl\" as b;\n"},
    {'D', "fn V(V: Y) -> V: Y { S }\nlayer V(V: int in [1, 4]) { M F }\n"
          "model V { M M F }\ntest \"t\" { S expect E; }\nH\n"
          "data V { H V = V.V(V = E); V: Y = raw.V; }\n"
          "schedule V(V: real) { return E; }\n"
          "optimizer V(V: real = E) per param { slot V = 0; V <- E; w <- E; }\n"
          "fn V(V: Y, V: Y) -> (V: Y, V: Y) { S S S } grad(V) { S }\n"
          "cluster { ps = 1..2; V = E; on V = E then E; }\n"},
    {'T', "train { model net = V(); data V; loss = E; batch = 4; epochs = 1; "
          "optimizer = V(); }\ntrain { S S metric V = E; set \"**\" { V = E; } "
          "freeze \"V.*\"; }\n"},
    {'H', "hyper V: real = 1.0 in (0, 10];\nhyper V: Y = E;\n"},
    {'M', "use V = V.V(V = E);\nparam V[N, K] ~ V();\nparam V[G] ~ V(E);\n"
          "state V[G] = E sync mean;\nuse V[E] = V(E);\nassert E, \"x {N}\";\n"
          "H\nM M\n"},
    {'F', "fn (V: Y) -> V: Y { S }\nfn (V: Y) -> (V: Y, V: Y) { S S }\n"},
    {'S', "V = E;\nV[G] = E;\nV[V, V] = E;\nV[G]: Y = E;\nS S\nS S S\n"
          "if E { S } else { S }\nif E { S } else if E { S }\n"
          "for V in 0..3 { S }\nfor V in V { S }\nreturn E;\nreturn E, E;\n"
          "V[G] += E;\nV <- E;\nV[V] <- E;\n(V, V) = E;\n"
          "scan t in 0..T from V[t - 1, V] = E { S S }\n"},
    {'Y', "real[N]\nreal\nint\nbool\nidx(E)\nreal[N, K]\nreal[..b, K]\n"
          "idx(10)[N]\nreal[E, 3]\nreal[..b]\n"},
    {'G', "V\nV, V\n..b, V\nV, E\n..\n"},
    {'E', "V\nK\nK\nV\nV[G]\nV[V, V]\nE + E\nE - E\nE * E\nE / (E)\nE % E\n"
          "E ^ K\n-E\n!E\n(E)\nE < E\nE == E\nE && E\nE || E\nE ? E : E\n"
          "V(E)\nV.V(E, V = E)\nsum(V) E\nmean(V, ..b) E\nmax(V in K..K) E\n"
          "(lse(V in 0..N if E) E)\n(argmax(V) V[G])\nV[E else E]\n"
          "V[clamp(E), wrap(E)]\n[E, E]\n[[E, E], [E, E]]\nexp(E)\n"
          "maximum(E, E)\nV[V + K else 0]\nV[2*V + V]\nbernoulli(E)\n"
          "30 s\n\"text\"\ntrue\nstop(E)\n"},
    {'K', "1\n0\n2\n3\n0.5\n1e-3\n64\nN\n9223372036854775807\n"},
    {'V', "x\ny\nw\nh\ni\nj\nk\nn\nb\nnn\nloss\nnet\nf\nN\nstep\ntraining\n"
          "g\nlinear\nrelu\nsoftmax\nzeros\nt\nmse\nsgd\n"},
};

static const char *text_of_rule(char name)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].name == name)
            return rules[i].text;
    return NULL;
}

/* Alternative number `index` of a rule; its length in `length`. */
static const char *alternative(const char *text, int index, size_t *length)
{
    while (index-- > 0)
        text = strchr(text, '\n') + 1;
    *length = strcspn(text, "\n");
    return text;
}

static int alternative_count(const char *text)
{
    int count = 0;
    for (; *text; text++)
        count += *text == '\n';
    return count;
}

static void expand(random_state *r, char name, int depth, ptl_str *out)
{
    const char *text = text_of_rule(name);
    if (name == 'P') { /* its lines are one text, not alternatives */
        for (; *text; text++)
            if (text_of_rule(*text))
                expand(r, *text, depth, out);
            else
                str_addc(out, *text);
        return;
    }
    size_t length;
    int count = alternative_count(text);
    bool leaf = name == 'V' || name == 'K';
    int index = depth <= 0 && !leaf ? 0 : random_below(r, count);
    const char *form = alternative(text, index, &length);
    for (size_t i = 0; i < length && out->length < 30000; i++) {
        bool word_before = i > 0 && in_word(form[i - 1]);
        bool word_after = i + 1 < length && in_word(form[i + 1]);
        if (text_of_rule(form[i]) && !word_before && !word_after)
            expand(r, form[i], depth - 1, out);
        else
            str_addc(out, form[i]);
    }
}

void make_input(const corpus *c, random_state *r, ptl_str *out)
{
    switch (random_below(r, 10)) {
    case 0:
        change_bytes(c, r, out);
        break;
    case 1:
        mix_lines(c, r, out);
        break;
    case 2:
        cut_or_repeat(c, r, out);
        break;
    case 3:
        expand(r, 'P', 2 + random_below(r, 6), out);
        break;
    default:
        change_words(c, r, out);
    }
}
