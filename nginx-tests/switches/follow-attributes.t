# follow: the module's cookie gets the attributes of the application's cookie, unless the directive specifies them:
# Max-Age and Expires, Domain, Path, Secure, SameSite, Partitioned. HttpOnly and attr= are only taken from the
# directive.
#
# A line of "copied" has the parameters, the text after "sid=" in the server's Set-Cookie, and after the arrow the
# attributes of the module's cookie.

use Sticky qw(Keys);

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my @lines = grep { /\S/ } split /\n/, $block->copied // return;
    my ($http, $config, @wanted) = ('', '');
    while (my ($at, $line) = each @lines) {
        my ($parameters, $given, $wanted) = $line =~ /^(.*?) \| (.*?) ?-> ?(.*)$/ or die "what is \"$line\"?\n";
        my $text = $given =~ s/(["\\])/\\$1/gr;
        $http .= "server { listen 127.0.0.1:1985; server_name s$at; add_header Set-Cookie \"sid=$text\"; location / { return 200 x; } }\n"
            . "upstream u$at { server 127.0.0.1:1985; session_sticky cookie=@{[$parameters =~ /cookie=/ ? '' : 'route']} $parameters follow=sid; }\n"
                =~ s/cookie= //r;
        $config .= "location = /$at { @{[$block->location // '']} proxy_set_header Host s$at; proxy_pass http://u$at/; }\n";
        push @wanted, [$line, $wanted];
    }
    $block->set_value(config => $config);
    $block->set_value(http_config => "map \$arg_no \$yes { '' 1; }\n" . $http);
    $block->set_value(client => sub {
        my $now = time;
        for my $at (0 .. $#wanted) {
            my ($line, $wanted) = @{$wanted[$at]};
            my $path = $line =~ /\[no\]/ ? "/$at?no=1" : "/$at";
            my (undef, $ours) = split /\|/, set(visit($path, undef));
            my $pattern = Servers::expand(quotemeta("ID$wanted") =~ s/DATE\\\+(\d+)/DATE+$1/r, $now) =~ s/^ID/[\\w-]+=(?:[0-9a-f]{32})?/r;
            holds(($ours // '') =~ /\A$pattern\z/, "$line: " . ($ours // 'none'));
        }
    });
});

run_tests();

__DATA__

=== each attribute is copied with its value unchanged
--- copied
 | v ->
 | v; Path=/app -> ; Path=/app
 | v; path = /app ; -> ; Path=/app
 | v; Domain=.A.test -> ; Domain=.A.test
 | v; max-age=60 -> ; Max-Age=60
 | v; Expires=Wed, 01-Jan-42 00:00:00 GMT -> ; Expires=Wed, 01-Jan-42 00:00:00 GMT
 | v; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT -> ; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT
 | v; SECURE -> ; Secure
 | v; samesite=lax -> ; SameSite=Lax
 | v; SameSite=None; Secure; Partitioned -> ; Secure; SameSite=None; Partitioned
 | v; HttpOnly; Priority=High; Comment=x ->



=== attributes given by the directive are not copied
--- copied
path=/mine | v; Path=/app; Secure -> ; Path=/mine; Secure
path=$arg_none | v; Path=/app ->
domain=mine.test | v; Domain=a.test; Path=/ -> ; Domain=mine.test; Path=/
domain=$arg_none | v; Domain=a.test ->
maxage=30 | v; Max-Age=60 -> ; Max-Age=30; Expires=DATE+30
maxage=30 | v; Expires=Wed, 01 Jan 2042 00:00:00 GMT -> ; Max-Age=30; Expires=DATE+30
maxage=30 | v -> ; Max-Age=30; Expires=DATE+30
maxage=30 | ; Path=/ -> ; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:01 GMT
secure | v; Path=/ -> ; Secure; Path=/
secure | v; Secure -> ; Secure
samesite=strict | v; SameSite=None; Secure -> ; SameSite=Strict; Secure
samesite=$arg_none | v; SameSite=Lax ->
secure partitioned | v; Path=/ -> ; Secure; Partitioned; Path=/
httponly attr=Priority=High | v; Path=/ -> ; HttpOnly; Priority=High; Path=/



=== attributes are not copied if browsers would reject the cookie
--- copied
secure=auto | v; Secure; SameSite=None; Partitioned ->
secure=$yes | v; Secure; SameSite=None; Partitioned -> ; Secure; SameSite=None; Partitioned
secure=$yes | [no]v; Secure; SameSite=None; Partitioned; Path=/ -> ; Path=/
secure=auto | v; Secure; SameSite=Lax -> ; SameSite=Lax
cookie=__Host-r secure | v; Domain=a.test; Path=/app; Max-Age=9 -> ; Path=/; Secure; Max-Age=9
cookie=__host-r secure | ; Domain=a.test; Path=/app -> ; Path=/; Secure; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:01 GMT
cookie=__Secure-r secure | v; Domain=a.test; Path=/app -> ; Secure; Domain=a.test; Path=/app



=== values that browsers ignore are ignored
--- copied
 | v; Path=app; Domain=; SameSite=x; Max-Age=1x; Expires=never ->
 | v; Path=/a; Path=/b -> ; Path=/b
 | v; Path=/a; Path=b ->
 | v; Max-Age=5; Max-Age=- -> ; Max-Age=5
 | v; Max-Age=5; Max-Age=0 -> ; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:01 GMT
 | v; Pathx=/a; X-Path=/a; =; ;; Path ->
 | v; Path=/a=b"c -> ; Path=/a=b"c
 | v=w; Secure=no -> ; Secure



=== signed, with timestamps: the value is the same as usual
--- http_config eval
my $file = main::key_file('one', $main::key[0]);
<<"_EOC_"
server { listen 127.0.0.1:1985; location / { add_header Set-Cookie "sid=\$arg_v; Max-Age=9"; return 200 x; } }
upstream u { server 127.0.0.1:1985; session_sticky follow=sid maxidle=1h sign key_file=$file nocache; }
_EOC_
--- config
location / { proxy_pass http://u; }
--- client
my $field = head('Cache-Control', visit('/?v=1'));
my (undef, $ours) = split / ?, (?=route=)|\|(?=route=)/, set(visit('/?v=1'));
my ($value) = ($ours // '') =~ /^route=(\w{32}\|\d{10}\|\d{10}\|[\w-]{22}); Max-Age=9\z/;
holds($value, 'it is signed: ' . ($ours // ''));
equals($field, 'private', 'and shared caches must not store it');
my $again = set(visit('/?v=1', "sid=1; route=$value"));
my ($first) = $value =~ /\|(\d+)\|[^|]*\z/;
holds($again =~ /route=\w{32}\|\d{10}\|$first\|/, "the session continues: $again");
my $gone = visit('/?v=', "sid=1; route=$value");
equals(set($gone), 'sid=; Max-Age=9|route=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:01 GMT', 'a deleting field is not signed');
equals(head('Cache-Control', $gone), 'private', 'shared caches must not store that either');
