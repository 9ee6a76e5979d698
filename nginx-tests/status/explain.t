# explain: the outcome of a request with this value, without sending one. It has no side effects.

use Sticky qw(Keys Status);

our %line = map { $_ => "127.0.0.1:$port{$_}" } keys %port;
our $held = serve(1991);
our $key_file = key_file('keys', @key[0, 1]);

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $upstreams = $block->upstreams =~ s/\bserver ([A-D])\b/server $line{$1}/gr =~ s/\bKEYS\b/$key_file/gr;
    my @names = $upstreams =~ /^upstream (\w+)/mg;
    fill($block, servers('location /begins { add_header X-Session s1; return 200 "NAME\n"; }', qw(A B C)) . $upstreams);
    $block->set_value(config => join "\n", 'location /status { session_sticky_status; }', ($block->config // ''),
                                           map { "location /$_/ { proxy_pass http://$_/; proxy_next_upstream off; }" } @names);
});

sub encoded { return join '', map { sprintf '%%%02x', ord } split //, expand($_[0]) }

sub explained { my ($upstream, $value) = @_; return document("/status/upstreams/$upstream/explain?value=" . encoded($value)) }

# "WOULD VERDICT SCHEME ADDRESS", with a letter as the address.
sub told {
    my ($found) = @_;
    my %letter = reverse %line;
    my $address = ($found->{server} // {})->{address} // '-';
    return join ' ', map { $_ // '-' } @$found{qw(would verdict scheme)}, $letter{$address} // $address;
}

# Checks explain's answer, and if there is a cookie name, the outcome of a request.
sub says {
    my ($upstream, $value, $wanted, $cookie) = @_;
    equals(told(explained($upstream, $value)), $wanted, "$upstream: $value");
    return if !defined $cookie;
    my $counted = sub { my $requests = upstream($upstream)->{requests}; return join ' ', map { "$_=$requests->{$_}" } sort keys %$requests };
    my $before = $counted->();
    explained($upstream, $value);
    equals($counted->(), $before, "$upstream: $value: explain counts nothing");
    my ($would) = $wanted =~ /^(\w+)/;
    my $number = upstream($upstream)->{requests}{$would};
    visit("/$upstream/", "$cookie=$value");
    equals(upstream($upstream)->{requests}{$would}, $number + 1, "$upstream: $value: a request has the same outcome");
}

run_tests();

__DATA__

=== bound, moved, lent, refused, new
--- upstreams
upstream u      { server A; server B; server D down; session_sticky; }
upstream kept   { server A; server D down; session_sticky cookie=kept rebind=off; }
upstream strict { server A; server D down; session_sticky cookie=strict fallback=off; }
upstream mild   { server A; server D down; session_sticky cookie=mild fallback=unknown; }
upstream prefix { server A; server D down; session_sticky cookie=app mode=prefix; }
upstream limits { server A; server D down; session_sticky cookie=limits maxidle=1h maxlife=2h; }
upstream drains { server A; server B drain; session_sticky cookie=drains; }
upstream saved  { server D down; server A backup; session_sticky cookie=saved; }
--- client
says('u', 'ID_A', 'bound valid md5 A', 'route');
says('u', 'ID_D', 'moved down md5 D', 'route');
says('u', 'nobody', 'new unknown - -', 'route');
says('kept', 'ID_D', 'lent down md5 D', 'kept');
says('strict', 'ID_D', 'refused down md5 D', 'strict');
says('strict', 'nobody', 'refused unknown - -', 'strict');
says('mild', 'nobody', 'new unknown - -', 'mild');
says('mild', 'ID_D', 'refused down md5 D', 'mild');
says('prefix', 'ID_A~abc', 'bound valid md5 A', 'app');
says('prefix', 'ID_D~abc', 'lent down md5 D', 'app');
says('prefix', 'abc', 'new none - -', 'app');
says('drains', 'ID_B', 'bound valid md5 B', 'drains');
says('saved', 'ID_A', 'bound valid md5 A', 'saved');
my $now = time;
says('limits', "ID_A|$now|" . ($now - 60), 'bound valid md5 A', 'limits');
says('limits', 'ID_A|' . ($now - 4000) . '|' . ($now - 4000), 'new expired - -', 'limits');
says('limits', "ID_A|$now|" . ($now - 8000), 'new old - -', 'limits');
says('limits', 'ID_A|' . ($now + 90000) . "|$now", 'new invalid - -', 'limits');
my $found = explained('limits', "ID_A|$now|" . ($now - 60));
equals("$found->{first_seen} $found->{last_seen}", $now - 60 . " $now", 'the timestamps');
equals(explained('u', 'ID_A')->{first_seen}, undef, 'no timestamps');
--- no_error_log
[alert]
[emerg]



=== accepted schemes, by their names in accept=
--- upstreams
upstream u { server A id=web1; server D down; session_sticky hash=plain accept=md5,sha1,haproxy,nginx,index; }
upstream n { server A; sticky name=n hash=sha1; }
--- client
use Digest::SHA 'sha1_hex';
says('u', 'web1', 'bound valid plain A');
says('u', 'ID_A', 'bound valid md5 A');
says('u', sha1_hex($line{A}), 'bound valid sha1 A');
says('u', '1', 'moved down index D');
equals(explained('u', 'ID_A')->{server}{id}, 'web1', "the server's own ID");
says('n', sha1_hex($line{A}), 'bound valid sha1 A');
says('u', $line{D}, 'moved down plain D');



=== keyed IDs and signatures: a value is explained, and no key is shown
--- upstreams
upstream ids    { server A; server D down; session_sticky cookie=ids hash=hmac key_file=KEYS fallback=off; }
upstream signed { server A; server D down; session_sticky cookie=signed hash=hmac sign key_file=KEYS maxidle=1h fallback=off; }
upstream moves  { server A; session_sticky cookie=moves hash=hmac sign key_file=KEYS maxidle=1h accept=md5,unsigned; }
--- client
my ($now, @both) = (time, @key[0, 1]);
says('ids', key_ids('A', @both), 'bound valid hmac A', 'ids');
says('ids', key_id($key[1], 'A'), 'bound valid hmac A', 'ids');
says('ids', key_id($key[2], 'A'), 'refused unknown - -', 'ids');
my $text = key_ids('A', @both) . "|$now|$now";
says('signed', signed('signed', $text, @both), 'bound valid hmac A', 'signed');
says('signed', signed('signed', $text, $key[1]), 'bound valid hmac A', 'signed');
says('signed', signed('signed', key_ids('D', @both) . "|$now|$now", $key[0]), 'refused down hmac D', 'signed');
says('signed', $_, 'new forged - -', 'signed') for signed('signed', $text, $key[2]), signed('ids', $text, @both), $text;
says('moves', 'ID_A', 'bound valid md5 A', 'moves');
says('moves', $text, 'bound valid hmac A', 'moves');
says('moves', signed('moves', $text, $key[2]), 'new forged - -', 'moves');
my $whole = body(reply_to('/status?format=json')) . body(reply_to('/status?format=prometheus'));
holds(index($whole, $_) < 0, 'no key is shown') for @both;
--- no_error_log
[alert]
[emerg]
a key for these tests



=== routes, and learned sessions
--- upstreams
upstream routes { server A route=a; server D route=d down; session_sticky mode=route lookup=$arg_route; }
upstream learns { server A; server B down; session_sticky mode=learn lookup=$arg_id create=$upstream_http_x_session zone=learned:64k; }
--- client
says('routes', 'a', 'bound valid nginx A');
says('routes', 'd', 'lent down nginx D');
says('routes', 'x', 'lent unknown - -');
says('learns', 's1', 'new none - -');
visit('/learns/begins');
says('learns', 's1', 'bound valid nginx A');
says('learns', 's2', 'new none - -');
says('learns', '', 'new none - -');



=== no side effects: nothing is logged, connected, learned or reset
--- upstreams
upstream u { server 127.0.0.1:1999 max_fails=1 fail_timeout=60s; server A; session_sticky; }
upstream one { server 127.0.0.1:1991 max_conns=1; server A; session_sticky cookie=one; }
--- client
my $log = Test::Nginx::Util::server_root() . '/logs/error.log';
my $id = Digest::MD5::md5_hex('127.0.0.1:1999');
my $one = Digest::MD5::md5_hex('127.0.0.1:1991');
visit('/u/', "route=$id");
my $size = -s $log;
equals(told(explained('u', $id)), 'moved down md5 127.0.0.1:1999', 'the server failed') for 1 .. 20;
equals(explained('u', $id)->{server}{state}, 'unavailable', 'it is unavailable');
equals(told(explained('one', $one)), 'bound valid md5 127.0.0.1:1991', 'max_conns=1') for 1 .. 3;
equals(explained('one', $one)->{server}{connections}, 0, 'explain takes no connection');
my $asked = ask('/one/', "one=$one");
my $taken = taken($held, 10);
equals(told(explained('one', $one)), 'moved down md5 127.0.0.1:1991', 'the server is full');
equals(explained('one', $one)->{server}{state}, 'full', 'the state is full');
answer($taken, "late\n");
response($asked);
open my $file, '<', $log or die $!;
seek $file, $size, 0;
my @lines = grep { !/client \S+ closed keepalive/ } readline $file;
equals((join '', @lines), '', 'nothing is logged');
--- no_error_log
[alert]
[emerg]



=== POST, which keeps values out of access logs
--- upstreams
upstream u { server A; session_sticky maxidle=1h; }
--- client
my $url = '/status/upstreams/u/explain';
my $now = time;
equals(told(parsed(sent($url, 'text/plain', expand('ID_A')))), 'bound valid md5 A', 'plain text');
equals(told(parsed(sent($url, 'text/plain;charset=UTF-8', expand(" ID_A|$now|$now\r\n")))), 'bound valid md5 A', 'plain text with a line end');
equals(told(parsed(sent($url, 'Application/X-WWW-Form-Urlencoded', expand('a=b&value=ID_A')))), 'bound valid md5 A', 'a form');
equals(told(parsed(sent($url, 'application/x-www-form-urlencoded', expand("value=ID_A%7c$now%7C$now")))), 'bound valid md5 A', 'encoded as %XX');
equals(parsed(sent($url, 'application/x-www-form-urlencoded', 'value=a+b%2Bc%20d'))->{value}, 'a+b+c d', 'a plus sign is kept');
equals(parsed(sent($url, 'text/plain', 'a+b%20'))->{value}, 'a+b%20', 'text is not decoded');
equals(parsed(sent($url, 'text/plain', "\xff\xc3\xa9"))->{value}, "\x{fffd}\x{e9}", 'invalid UTF-8');
equals(status(sent($url, 'text/plain', 'x' x 8192)), '200', 'as long as it may be');
equals(status(sent($url, 'text/plain', 'x' x 8193)), '413', 'too long');
equals(status(sent($url, 'application/json', '{}')), '415', 'another type');
equals(status(sent($url, 'application/x-www-form-urlencoded', 'a=b')), '400', 'no value');
equals(status(sent($url, 'application/x-www-form-urlencoded', 'value=%zz')), '400', 'malformed');
equals(status(sent('/status/upstreams/nobody/explain', 'text/plain', 'x')), '404', 'no upstream');
equals(status(sent('/status/upstreams/u', 'text/plain', 'x')), '405', 'nothing to post to');
equals(status(reply_to($url)), '400', 'GET without a value');
equals(status(reply_to("$url?value=%zz")), '400', 'GET with a malformed one');
equals(status(reply_to($url, 'POST', 'Content-Type: text/plain', 'Transfer-Encoding: chunked', '', "5\r\nhello\r\n0\r\n")), '200', 'chunked');
my $slow = say_to_nginx("POST $url HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 32\r\nConnection: close\r\n\r\n");
select undef, undef, undef, 0.2;
print $slow substr expand('ID_A'), $_ * 16, 16 for 0, 1;
equals(told(parsed(response($slow))), 'bound valid md5 A', 'a slow client');
close say_to_nginx("POST $url HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 32\r\n\r\nab");
equals(status(reply_to('/status')), '200', 'a client that vanishes');



=== values as long as a request line allows, and with any bytes
--- upstreams
upstream u { server A; session_sticky; }
upstream p { server A; session_sticky cookie=p mode=prefix; }
upstream l { server A; session_sticky cookie=l maxidle=1h accept=haproxy,plain; }
--- client
for my $upstream (qw(u p l)) {
    equals(explained($upstream, $_)->{would}, 'new', "$upstream: " . length) for 'x' x 2000, '~' x 2000, '|' x 2000, "\xff" x 2000;
    is_json(body(reply_to("/status/upstreams/$upstream/explain?value=" . encoded(join '', map { chr } 0 .. 255))), "$upstream: all bytes");
}
