# What the module reads from a request: which pair of which Cookie header field, and what its value means.
#
# Sections of this file:
#   sticky  the parameters of session_sticky in "upstream u", which has the servers A and B; the first new session gets A
# Words that are replaced:
#   ID_A ID_B        the IDs of the servers
#   NOW NOW-n NOW+n  seconds since the epoch, taken at the start of a second when nginx is known to respond
#   STAMP            a pattern for that second or one of the ten seconds after it

use Sticky;
use IO::Socket::INET;
use Time::HiRes qw(sleep time);

our $backends = servers('location / { return 200 "NAME\n"; }' . "\n", qw(A B));

# Without a time, the words NOW and STAMP are not replaced.
sub timed {
    my ($text, $now) = @_;
    return [map { timed($_, $now) } @$text] if ref $text eq 'ARRAY';
    return $text if !defined $text || ref $text;
    $text = expand($text);
    if (defined $now) {
        $text =~ s/\bNOW(?:\\?([-+])(\d+))?/$now + ($1 ? "$1$2" : 0)/ge;
        $text =~ s/\bSTAMP\b/'(?:' . join('|', $now .. $now + 10) . ')'/ge;
    }
    return $text;
}

my @sections = qw(more_headers response_headers response_headers_like raw_response_headers_like);

# Called when nginx runs. Sends a request first, so that the tested one is not delayed, even under valgrind; then waits for the
# start of the next second, and replaces the times.
sub now_into {
    my ($block) = @_;
    return if !grep { my $text = $block->$_; (ref $text ? "@$text" : $text // '') =~ /\b(?:NOW|STAMP)\b/ } @sections;

    for (1 .. 200) {
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => server_port(), Timeout => 10);
        if ($socket) {
            print $socket "GET /warm HTTP/1.0\r\nCookie: route=nobody\r\n\r\n";
            last if join('', <$socket>) =~ /^HTTP/;
        }
        sleep 0.1;
    }

    sleep 1.03 - (time - int(time));
    my $now = int(time);
    $block->set_value($_ => timed($block->$_, $now)) for grep { defined $block->$_ } @sections;
}

add_block_preprocessor(sub {
    my ($block) = @_;

    $block->set_value(http_config => <<"_EOC_");
$backends
upstream u {
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
    session_sticky @{[$block->sticky]};
}
upstream warm { server 127.0.0.1:1985; session_sticky path=/warm; }
_EOC_
    $block->set_value(config => 'location /t { proxy_pass http://u; } location /warm { proxy_pass http://warm; }');
    $block->set_value(request => 'GET /t') if !defined $block->request;
    $block->set_value(init => '::now_into($block)');
    $block->set_value(no_error_log => qr/\[(?:warn|error|crit|alert|emerg)\]/) if !defined $block->no_error_log;
    $block->set_value($_ => timed($block->$_)) for grep { defined $block->$_ } @sections;
});

visit_lines(answer => "NAME\n");
run_tests();

__DATA__

=== a valid cookie: its server responds, and no cookie is set
--- sticky
--- visits
route=ID_B -> B, sets nothing
route=ID_B -> B, sets nothing



=== no cookie: a new session
--- sticky
--- response_body
A
--- response_headers
Set-Cookie: route=ID_A; Path=/



=== an empty Cookie header: a new session
--- sticky
--- more_headers
Cookie:
--- response_body
A
--- response_headers
Set-Cookie: route=ID_A; Path=/



=== a pair whose name ends with the cookie's name is a different pair: myroute=x; route=ID
--- sticky
--- more_headers
Cookie: myroute=x; route=ID_B
--- response_body
B
--- response_headers
!Set-Cookie



=== a pair whose name ends with the cookie's name is ignored
--- sticky
--- more_headers
Cookie: myroute=ID_B
--- response_body
A
--- response_headers
Set-Cookie: route=ID_A; Path=/



=== a pair whose name begins with the cookie's name is ignored, and does not hide later pairs
--- sticky
--- visits
route2=ID_B -> A, sets "route=ID_A; Path=/"
route2=ID_A; route.x=ID_A; route=ID_B -> B, sets nothing



=== a value that looks like the pair is not a pair
--- sticky
--- more_headers
Cookie: a=route=ID_B; b="route=ID_B
--- response_body
A
--- response_headers
Set-Cookie: route=ID_A; Path=/



=== the name is case-sensitive
--- sticky
--- visits
Route=ID_B -> A, sets "route=ID_A; Path=/"
ROUTE=ID_A; route=ID_B -> B, sets nothing



=== the pair is found in every place of the header
--- sticky
--- visits
route=ID_B; a=b; c=d -> B
a=b; route=ID_B; c=d -> B
a=b; c=d; route=ID_B -> B



=== the pair is found in a second Cookie header
--- sticky
--- more_headers
Cookie: a=b; c=d
X-Between: 1
Cookie: e=f; route=ID_B
--- response_body
B
--- response_headers
!Set-Cookie



=== no white space after the semicolons
--- sticky
--- more_headers
Cookie: a=b;route=ID_B;c=d
--- response_body
B
--- response_headers
!Set-Cookie



=== optional white space around the name and the value
--- sticky
--- request eval
["GET /t", "GET /t", "GET /t", "GET /t"]
--- more_headers eval
["Cookie: a=b;   route=ID_B   ; c=d", "Cookie: a=b; route = ID_B ; c=d", "Cookie: a=b;\troute\t=\tID_B\t;c=d", "Cookie: route =ID_B"]
--- response_body eval
["B\n", "B\n", "B\n", "B\n"]
--- response_headers eval
["!Set-Cookie", "!Set-Cookie", "!Set-Cookie", "!Set-Cookie"]



=== the value can be in double quotes
--- sticky
--- visits
a=b; route="ID_B"; c=d -> B, sets nothing
route = "ID_B" -> B, sets nothing



=== empty pairs and stray separators are skipped
--- sticky
--- more_headers
Cookie: ;;; =; a; =b;; route=ID_B;
--- response_body
B
--- response_headers
!Set-Cookie



=== of several pairs with the name, the first valid one is used, in any place
--- sticky
--- visits
route=nobody; route=ID_B -> B, sets nothing
route=; route=ID_B; route=ID_A -> B, sets nothing
route=ID_B; route=ID_A -> B, sets nothing
route=nobody | a=b; route=ID_B -> B, sets nothing



=== of several pairs with the name, a valid one takes precedence over an expired one
--- sticky: maxidle=100
--- more_headers
Cookie: route=ID_A|NOW-500|NOW-500; route=ID_B|NOW-50|NOW-50
--- response_body
B
--- response_headers_like
Set-Cookie: route=ID_B\|STAMP\|NOW-50; Path=/



=== several pairs with the name, and none is valid: the first one is expired, therefore a new session
--- sticky: maxidle=100 fallback=off
--- more_headers
Cookie: route=ID_B|NOW-500|NOW-500; route=nobody|NOW|NOW
--- response_body
A
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/



=== several pairs with the name, and none is valid: the first one is unknown, therefore 502 with fallback=off
--- sticky: maxidle=100 fallback=off
--- more_headers
Cookie: route=nobody|NOW|NOW; route=ID_B|NOW-500|NOW-500
--- error_code: 502
--- response_headers
!Set-Cookie
--- no_error_log eval
qr/\[(?:crit|alert|emerg)\]/



=== an ID must match completely, and is case-sensitive
--- sticky: fallback=off
--- visits
route=ID_B -> 200
route=4E947FB2EF33A3FB88D9D54B5DB04E3C -> 502
route=4e947fb2ef33a3fb88d9d54b5db04e3c0 -> 502
route=4e947fb2ef33a3fb88d9d54b5db04e3 -> 502
route=04e947fb2ef33a3fb88d9d54b5db04e3c -> 502
--- no_error_log eval
qr/\[(?:crit|alert|emerg)\]/



=== a malformed value is not a session, and does no harm: a new session starts
--- sticky: maxidle=100 maxlife=200
--- visits
a=b; route; c=d -> sets like "route=(?:ID_A|ID_B)\|STAMP\|STAMP; Path=/"
a=b; route=; c=d -> sets like "route=(?:ID_A|ID_B)\|STAMP\|STAMP; Path=/"
a=b; route=""; c=d -> sets like "route=(?:ID_A|ID_B)\|STAMP\|STAMP; Path=/"
a=b; route=|; c=d -> sets like "route=(?:ID_A|ID_B)\|STAMP\|STAMP; Path=/"
a=b; route=||; c=d -> sets like "route=(?:ID_A|ID_B)\|STAMP\|STAMP; Path=/"
a=b; route=|||; c=d -> sets like "route=(?:ID_A|ID_B)\|STAMP\|STAMP; Path=/"
a=b; route=|NOW|NOW; c=d -> sets like "route=(?:ID_A|ID_B)\|STAMP\|STAMP; Path=/"
a=b; route=nobody|x|y; c=d -> sets like "route=(?:ID_A|ID_B)\|STAMP\|STAMP; Path=/"
a=b; route=nobody|NOW|NOW|NOW; c=d -> sets like "route=(?:ID_A|ID_B)\|STAMP\|STAMP; Path=/"
a=b; route=nobody|-1|-1; c=d -> sets like "route=(?:ID_A|ID_B)\|STAMP\|STAMP; Path=/"
a=b; route=nobody|99999999999999999999|1; c=d -> sets like "route=(?:ID_A|ID_B)\|STAMP\|STAMP; Path=/"
a=b; route="nobody|NOW; c=d -> sets like "route=(?:ID_A|ID_B)\|STAMP\|STAMP; Path=/"



=== timestamps that are not numbers: not a session, although the ID is known
--- sticky: maxidle=100
--- more_headers
Cookie: route=ID_B|yesterday|NOW
--- response_body
A
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/



=== timestamps that overflow: not a session, although the ID is known
--- sticky: maxidle=100
--- more_headers
Cookie: route=ID_B|18446744073709551617|NOW
--- response_body
A
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/



=== new session with maxidle: both timestamps are the current time
--- sticky: maxidle=100
--- response_body
A
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/



=== new session with maxlife: both timestamps are the current time
--- sticky: maxlife=100
--- response_body
A
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/



=== a visit within the limits: LASTSEEN is renewed, FIRSTSEEN stays
--- sticky: maxidle=100 maxlife=200
--- more_headers
Cookie: route=ID_B|NOW-50|NOW-80
--- response_body
B
--- response_headers_like
Set-Cookie: route=ID_B\|STAMP\|NOW-80; Path=/



=== unchanged timestamps: no cookie is set
--- sticky: maxidle=100
--- more_headers
Cookie: route=ID_B|NOW|NOW-80
--- response_body
B
--- response_headers
!Set-Cookie



=== maxidle: exactly at the limit, the session continues
--- sticky: maxidle=100
--- more_headers
Cookie: route=ID_B|NOW-100|NOW-100
--- response_body
B
--- response_headers_like
Set-Cookie: route=ID_B\|STAMP\|NOW-100; Path=/



=== maxidle: a second past the limit, the cookie is ignored, and both timestamps are reset
--- sticky: maxidle=100
--- more_headers
Cookie: route=ID_B|NOW-101|NOW-101
--- response_body
A
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/



=== maxlife: exactly at the limit, the session continues
--- sticky: maxlife=200
--- more_headers
Cookie: route=ID_B|NOW-1|NOW-200
--- response_body
B
--- response_headers_like
Set-Cookie: route=ID_B\|STAMP\|NOW-200; Path=/



=== maxlife: a second past the limit, the cookie is ignored, and both timestamps are reset
--- sticky: maxlife=200
--- more_headers
Cookie: route=ID_B|NOW-1|NOW-201
--- response_body
A
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/



=== maxlife ends a session within maxidle
--- sticky: maxidle=100 maxlife=200
--- more_headers
Cookie: route=ID_B|NOW-1|NOW-201
--- response_body
A
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/



=== maxidle ends a session within maxlife
--- sticky: maxidle=100 maxlife=200
--- more_headers
Cookie: route=ID_B|NOW-101|NOW-150
--- response_body
A
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/



=== maxidle without maxlife: the lifetime is not limited
--- sticky: maxidle=100
--- more_headers
Cookie: route=ID_B|NOW-1|1
--- response_body
B
--- response_headers_like
Set-Cookie: route=ID_B\|STAMP\|1; Path=/



=== maxlife without maxidle: the idle time is not limited
--- sticky: maxlife=200
--- more_headers
Cookie: route=ID_B|1|NOW-199
--- response_body
B
--- response_headers_like
Set-Cookie: route=ID_B\|STAMP\|NOW-199; Path=/



=== an expired cookie: a new session, also with fallback=off
--- sticky: maxidle=100 fallback=off
--- more_headers
Cookie: route=ID_B|NOW-101|NOW-101
--- response_body
A
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/



=== an expired cookie that is the only one in the header: a new session, also with option=indirect
--- sticky: maxidle=100 option=indirect
--- more_headers
Cookie: route=ID_B|NOW-101|NOW-101
--- response_body
A
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/



=== an expired cookie of an unknown server is expired, not unknown
--- sticky: maxidle=100 fallback=off
--- more_headers
Cookie: route=nobody|NOW-101|NOW-101
--- response_body
A
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/



=== LASTSEEN a day in the future is accepted
--- sticky: maxidle=100
--- more_headers
Cookie: route=ID_B|NOW+86400|NOW-50
--- response_body
B
--- response_headers_like
Set-Cookie: route=ID_B\|STAMP\|NOW-50; Path=/



=== LASTSEEN more than a day in the future: the cookie is ignored
--- sticky: maxidle=100
--- more_headers
Cookie: route=ID_B|NOW+86401|NOW-50
--- response_body
A
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/



=== FIRSTSEEN a day in the future is accepted
--- sticky: maxlife=100
--- more_headers
Cookie: route=ID_B|NOW-1|NOW+86400
--- response_body
B
--- response_headers_like
Set-Cookie: route=ID_B\|STAMP\|NOW\+86400; Path=/



=== FIRSTSEEN more than a day in the future: the cookie is ignored
--- sticky: maxlife=100
--- more_headers
Cookie: route=ID_B|NOW-1|NOW+86401
--- response_body
A
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/



=== a cookie without timestamps is accepted with limits, and the response sets timestamps
--- sticky: maxidle=100 maxlife=200
--- more_headers
Cookie: route=ID_B
--- response_body
B
--- response_headers_like
Set-Cookie: route=ID_B\|STAMP\|STAMP; Path=/



=== an ID with timestamps is accepted without limits, regardless of their age
--- sticky
--- visits
route=ID_B|1|1 -> B
route=ID_B|NOW+99999|NOW -> B



=== hash=plain: a name with colons and dots, with timestamps
--- sticky: hash=plain maxidle=100
--- more_headers
Cookie: route=127.0.0.1:1986|NOW-3|NOW-9
--- response_body
B
--- response_headers_like
Set-Cookie: route=127\.0\.0\.1:1986\|STAMP\|NOW-9; Path=/



=== mode=prefix: the ID before the first ~
--- sticky: mode=prefix fallback=off
--- visits
route=ID_B~value -> B, sets nothing
route=ID_B~a~b|c -> B, sets nothing
route=ID_B~ -> B, sets nothing
myroute=ID_A~x; route=ID_B~y -> B, sets nothing



=== mode=rewrite: the whole value is the ID
--- sticky: mode=rewrite fallback=off
--- visits
route=ID_B -> 200
route=ID_B~value -> 502
--- no_error_log eval
qr/\[(?:crit|alert|emerg)\]/
