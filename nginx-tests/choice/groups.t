# A cookie whose ID belongs to backup servers, or to primary and backup servers: each is tried once, and counted once.
#
# A and B respond with their name; P and Q respond with 500; D is down. X-Upstream lists the servers tried, in order.
# Sections of this file:
#   upstream  the contents of "upstream u"

use Sticky;

%port = (A => 1985, B => 1986, P => 1987, Q => 1988, D => 1998);

our $backends = join '', map {
    my $answer = /[PQ]/ ? 'return 500;' : "return 200 \"$_\\n\";";
    "server { listen 127.0.0.1:$port{$_}; location / { $answer } }\n"
} qw(A B P Q);

add_block_preprocessor(sub {
    my ($block) = @_;

    my $upstream = $block->upstream;
    $upstream =~ s/\b([ABPQD]):/127.0.0.1:$port{$1}/g;
    $block->set_value(http_config => "$backends\nupstream u {\nsession_sticky hash=plain;\n$upstream}\n");
    $block->set_value(config => <<'_EOC_');
add_header X-Upstream "$upstream_addr" always;
location / {
    proxy_next_upstream error timeout http_500;
    proxy_pass http://u;
}
_EOC_
    $block->set_value(no_error_log => qr/\[(?:crit|alert|emerg)\]/);
});

visit_lines(path => '/', answer => "NAME\n");
run_tests();

__DATA__

=== a failed backup server is released once: its connection count is correct, and it accepts requests again
--- upstream
    zone groups_given_back 64k;
    server D: id=d fail_timeout=60s;
    server P: id=p max_fails=0 max_conns=5 backup;
--- visits
/1 -> 500, X-Upstream "127.0.0.1:1998, 127.0.0.1:1987"
/2 route=p -> 502, X-Upstream "127.0.0.1:1987, u"
/3 route=p -> 502, X-Upstream "127.0.0.1:1987, u"
/4 -> 502, X-Upstream "127.0.0.1:1987, u"



=== an ID of a primary and a backup server: each is tried once, then the one that the load-balancing method selects
--- upstream
    server P: id=x max_fails=0;
    server A: id=a;
    server Q: id=x max_fails=0 backup;
--- request
GET /
--- more_headers
Cookie: route=x
--- response_body
A
--- response_headers
X-Upstream: 127.0.0.1:1987, 127.0.0.1:1988, 127.0.0.1:1985
Set-Cookie: route=a; Path=/



=== backup servers tried for the cookie are not tried again when the load-balancing method uses the backup servers
--- upstream
    server D: id=d;
    server P: id=x max_fails=0 backup;
    server Q: id=x max_fails=0 backup;
    server B: id=b backup;
--- request
GET /
--- more_headers
Cookie: route=x
--- response_body
B
--- response_headers
X-Upstream: 127.0.0.1:1987, 127.0.0.1:1988, 127.0.0.1:1998, 127.0.0.1:1986
Set-Cookie: route=b; Path=/
