# A session whose server is not available, and that another server serves without a new binding, keeps that server while keys
# change, when hash=hmac replaces hash=md5, and on any proxy. Its cookie gets the new form during that time.
#
# lib/Keys.pm has the keys, lib/Upstreams.pm the servers and the sections. Each upstream is a proxy before, during or after
# the change, with the same servers, of which D is down.

use Sticky qw(Keys Upstreams Visits);

our $now = time;
key_file('old', $key[0]);
key_file('both', @key[1, 0]);
key_file('new', $key[1]);

my %parameters = (
    md5   => 'accept=hmac key_file=KEYS/old',
    moved => 'hash=hmac accept=md5 key_file=KEYS/old',
    old   => 'hash=hmac key_file=KEYS/old',
    both  => 'hash=hmac key_file=KEYS/both',
    new   => 'hash=hmac key_file=KEYS/new',
);

client_sections();
upstream_sections('');
# Eight servers that are down, and three that are available.
my $away = '; ' . join('', map { "server 127.0.0.$_:1 id=away" . ($_ - 1) . " down; " } 2 .. 9) . 'server A: id=a; server B: id=b; server C: id=c;';
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(upstreams => $block->upstreams =~ s/ AWAY /$away /gr =~ s/KEYS/$keys/gr) if defined $block->upstreams;
    my $rest = $block->rest;
    return if !defined $rest;
    my $upstreams = join '', map { "upstream $_ { server D: down; server A:; server B:; server C:; session_sticky $rest $parameters{$_}; }\n" }
        sort keys %parameters;
    $block->set_value(upstreams => $upstreams =~ s/KEYS/$keys/gr);
});

# The cookie of a session, by its number, with this ID.
sub value { my ($id, $number) = @_; return "$id|$now|" . ($now - $number) }

# The servers of the sessions, in order.
sub served {
    my ($path, $id) = @_;
    return join '', map { body(visit($path, 'route=' . value($id, $_), 1983)) } 1 .. 20;
}

# The ID that a response sets for the session.
sub given { my ($path, $id) = @_; return (set(visit($path, 'route=' . value($id, 7), 1983)) // '') =~ s/^route=([^|]*).*/$1/sr }

run_tests();

__DATA__

=== rebind=off: each session has the same server during the whole change
--- rest: rebind=off maxidle=1h refresh=30m
--- client
my ($old, $new, $both) = (key_id($key[0], 'D'), key_id($key[1], 'D'), key_ids('D', @key[1, 0]));
my $served = served('/md5/', $id{D});
holds($served =~ /A/ && $served =~ /B/ && $served =~ /C/, "the sessions are spread: $served");
equals(served("/$$_[0]/", $$_[1]), $served, "$$_[0] with \"$$_[1]\"")
    for [md5 => $old], [moved => $id{D}], [moved => $old], [old => $old], [old => $both], [both => $old], [both => $both],
        [both => $new], [new => $both], [new => $new];
--- no_error_log
[alert]



=== rebind=off: an older form is replaced although the server is not available
--- rest: rebind=off maxidle=1h refresh=30m
--- client
my ($old, $new, $both) = (key_id($key[0], 'D'), key_id($key[1], 'D'), key_ids('D', @key[1, 0]));
equals(given('/moved/', $id{D}), $old, 'an MD5 ID');
equals(given('/both/', $old), $both, 'an ID by the old key');
equals(given('/new/', $both), $new, 'an ID by both keys');
equals(given('/new/', $new), '', 'an ID by the new key does not change');
--- no_error_log
[alert]



=== postonly: the server that takes over GET requests stays the same, too
--- rest: postonly
--- client
my ($old, $both) = (key_id($key[0], 'D'), key_ids('D', @key[1, 0]));
my $body = sub { my ($path, $id) = @_; return body(visit($path, "route=$id", 1983)) };
my $lent = $body->('/old/', $old);
equals($body->('/both/', $old), $lent, 'with two keys');
equals($body->('/old/', $both), $lent, 'with one key, and an ID by two keys');
--- no_error_log
[alert]



=== rebind=off with limits: a session without timestamps, or with an unverified start time, keeps its server as well
--- upstreams
upstream away { session_sticky hash=plain rebind=off maxidle=1h refresh=30m AWAY }
upstream signs { session_sticky hash=plain rebind=off maxidle=1h sign accept=unsigned key_file=KEYS/old AWAY }
--- client
for my $path ('/away/', '/signs/') {
    for my $id (map { "away$_" } 1 .. 8) {
        for my $value ($id, "$id|$now|" . ($now + 50)) {
            my $response = visit($path, "route=$value", 1983);
            my $first = body($response);
            my ($cookie) = (set($response) || "route=$value") =~ /^route=([^;]*)/;
            my %served = map { $_ => 1 } map { body(visit($path, "route=$cookie", 1983)) } 1 .. 3;
            equals(join(' ', sort keys %served), $first, "$path with \"$value\", then \"$cookie\"");
        }
    }
}
--- no_error_log
[alert]
