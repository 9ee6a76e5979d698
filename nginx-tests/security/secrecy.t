# Keys are not disclosed by anything that nginx logs at [debug], sends, or shows as a process.
#
# (Keys in memory: key-memory.t; messages about invalid files: directives/keys.t.)

use Sticky qw(Control Keys Nginx Running Upstreams Visits);
use Digest::SHA qw(hmac_sha256 sha256);
use File::Find ();
use MIME::Base64 qw(encode_base64 encode_base64url);

log_level('debug');

our @secret = @key[0 .. 2];
my $path = key_file('all', @secret);

client_sections();
upstream_sections('location /sets { add_header Set-Cookie "app=value; Path=/"; return 200 "NAME"; }');
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(upstreams => $block->upstreams =~ s{\bKEYS\b}{key_file=$path}gr);
    $block->set_value(locations => $control);
    $block->set_value(workers => 2);
    $block->set_value(no_error_log => "[alert]\n[emerg]\n");
});

# Texts that reveal a key: the key itself, in common encodings, and values derived from it before it is used.
sub traces {
    my @bytes = map { my $key = $_; ($key, hmac_sha256("\0signature of cookie signed", $key), sha256($key)) } @_;
    my @texts = map { ($_, unpack('H*', $_), uc unpack('H*', $_), encode_base64($_, '') =~ s/=+\z//r, encode_base64url($_),
                       CORE::join(', ', map { ord } split //), CORE::join(' ', map { sprintf '%02x', ord } split //)) } @bytes;
    # Parts of a key count too.
    return (@texts, map { (substr($_, 0, 16), substr($_, -16)) } @_);
}

# Where one of the traces occurs; each place is a name and a text.
sub found {
    my ($traces, %in) = @_;
    return CORE::join(', ', grep { my $text = $in{$_}; grep { index($text, $_) >= 0 } @$traces } sort keys %in);
}

sub slurped {
    my ($file) = @_;
    open my $in, '<:raw', $file or return '';
    local $/;
    return readline($in) // '';
}

# All files in nginx's directory.
sub files {
    my %text;
    File::Find::find({no_chdir => 1, wanted => sub { $text{$_} = slurped($_) if -f }}, Test::Nginx::Util::server_root());
    return %text;
}

sub page { my ($path, @fields) = @_; return response(say_to_nginx(CORE::join("\r\n", "GET $path HTTP/1.0", 'Host: localhost', @fields, '', ''), 1983)) }

no_shuffle();
master_on();
run_tests();

__DATA__

=== logs, responses, pages and processes
--- upstreams
upstream signed  { zone secret 128k; session_sticky cookie=signed KEYS hash=hmac sign maxidle=1h accept=hmac; server A:; server B: backup; server D: max_fails=0; }
upstream prefix  { session_sticky cookie=app mode=prefix KEYS hash=hmac; server A:; server B:; }
upstream strict  { session_sticky cookie=strict KEYS sign maxlife=1h fallback=off; server A:; server D: down; }
--- client
my %said;
my $now = time;
my @values = map { my $id = $_; ($id, "$id|$now|$now", signed('signed', "$id|$now|$now", @key[0, 1]), signed('signed', "$id|$now|$now", $key[3])) }
    key_ids('A', @key[0, 1]), key_id($key[2], 'B'), $id{A}, 'nobody', '', @secret, 'x' x 3000;
for my $value (@values) {
    for my $cookie ("signed=$value", "app=$value~x", "strict=$value", "strict=x; strict=\"$value\"; strict=$value") {
        next if grep { index($cookie, $_) >= 0 } @secret;
        $said{"$_ $cookie"} = visit($_, $cookie, 1983) for '/signed/', '/prefix/sets', '/strict/';
    }
    my $encoded = $value =~ s/([^\w.-])/sprintf '%%%02x', ord $1/ger;
    next if grep { index($value, $_) >= 0 } @secret;
    $said{"explain $encoded"} = page("/status/upstreams/$_/explain?value=$encoded") for qw(signed prefix strict);
}
$said{$_} = page($_) for '/status', '/status?format=json', '/status?format=prometheus', '/status/upstreams/signed',
    '/status/upstreams/signed/servers/' . key_ids('A', @key[0, 1]);
$said{patch} = patch('signed', key_ids('A', @key[0, 1]), '{"state":"drain"}');
holds(reload(), 'nginx reloads');
my $tested = tested();
holds($tested =~ /test is successful/, 'nginx -t');
$said{'nginx -t'} = $tested;
$said{$_} = slurped($_) for map { my $pid = $_; map { "/proc/$pid/$_" } qw(cmdline environ) } master(), children();
my %file = files();
my @traces = traces(@secret);
equals(found(\@traces, %said), '', 'no response contains a key');
equals(found(\@traces, %file), '', 'no file contains a key');

# Everything was searched, and a match would have been found.
my ($log) = grep { m{/error\.log\z} } keys %file;
holds($file{$log} =~ /session_sticky: cookie "signed"/, 'the log has the messages about requests');
holds($file{$log} =~ /\[debug\].* session_sticky: set "signed=/, 'the log has those at [debug]') if has('with-debug');
equals(found(['cookie=signed'], %file) =~ s{.*/}{}r, 'nginx.conf', 'a text in a file is found');
holds(found([key_ids('A', @key[0, 1])], %said) =~ m{/status}, 'a text in a response is found');
equals(status($said{patch}), '200', 'a server was drained');
